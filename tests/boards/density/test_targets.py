from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lutra.boards.density.targets import commit


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A repository with the folders of this one."""
    for name in ("hw", "gen", "docs", "boards/density/recorded"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("as committed")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *name, *arguments], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("changed", ["hw", "gen", "boards/density"])
def test_a_changed_source_marks_the_commit(sources: Path, changed: str):
    (sources / changed / "other").write_text("new")
    assert commit(sources / "boards" / "density").endswith("+")


@pytest.mark.parametrize("changed", ["docs", "boards/density/recorded"])
def test_results_and_texts_do_not(sources: Path, changed: str):
    (sources / changed / "file").write_text("new")
    marked = commit(sources / "boards" / "density")
    assert len(marked) == 40
    assert not marked.endswith("+")


def test_no_commit_outside_a_repository(tmp_path: Path):
    assert commit(tmp_path) == ""
