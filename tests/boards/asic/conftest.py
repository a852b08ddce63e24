from __future__ import annotations

from pathlib import Path

import pytest

from .small_library import small_lef, small_liberty


@pytest.fixture(scope="session")
def liberty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("liberty")
    path = tmp_path_factory.mktemp("cells") / "small.lib"
    path.write_text(small_liberty())
    path.with_suffix(".lef").write_text(small_lef())
    return path
