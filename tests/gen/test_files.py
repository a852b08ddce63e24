"""Generated files are replaced as a whole, and only where their bytes change."""

import os
from pathlib import Path

import pytest

from lutra.gen.files import write_if_changed


def test_touches_only_what_changes(tmp_path: Path):
    path = tmp_path / "file"
    assert write_if_changed(path, "one\n")
    os.utime(path, ns=(1, 1))
    assert not write_if_changed(path, "one\n")
    assert path.stat().st_mtime_ns == 1
    assert write_if_changed(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk"):
        write_if_changed(tmp_path / "file", "one\n")
    assert list(tmp_path.iterdir()) == []
