"""Fixtures of the flow's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fake_tools import FakeTools, install


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    return install(tmp_path, monkeypatch)
