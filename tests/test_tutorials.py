"""The tutorials' commands, run as they are written, one after the other in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return _BLOCK.findall((FOLDER / page).read_text())


def test_pages_have_their_commands() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == ["board.md", "model.md"]
    for page in ("board.md", "model.md"):
        kinds = [kind for kind, _ in blocks(page)]
        assert kinds.count("sh") >= 2
        assert "python" in kinds


@pytest.mark.long
@pytest.mark.parametrize("page", ["board.md", "model.md"])
def test_tutorial(page: str, tmp_path: Path) -> None:
    here = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": here + os.pathsep + os.environ["PATH"]}
    for kind, text in blocks(page):
        command = ["bash", "-euc", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert any(tmp_path.iterdir())
