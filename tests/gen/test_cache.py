from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from lutra.gen.cache import content_key, fill_once


def _write(folder: Path) -> None:
    (folder / "result").write_text("right")


def _fill_slowly(folder: Path) -> None:
    with folder.parent.joinpath("fills").open("a") as fills:
        fills.write(f"{folder.name}\n")
    time.sleep(0.5)  # long enough for the others to ask for it
    _write(folder)


def _many(folder: Path) -> None:
    fill_once(folder, "result", _fill_slowly)


def test_filled_once(tmp_path: Path):
    assert fill_once(tmp_path / "a", "result", _write).read_text() == "right"
    assert fill_once(tmp_path / "a", "result", lambda folder: pytest.fail("again")).is_file()


def test_what_fails_leaves_nothing(tmp_path: Path):
    def fails(folder: Path) -> None:
        _write(folder)
        raise ValueError("tool")

    with pytest.raises(ValueError, match="tool"):
        fill_once(tmp_path / "a", "result", fails)
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]


def test_what_a_killed_process_left_goes(tmp_path: Path):
    left = tmp_path / "a.k1ll3d"
    (left / "half").mkdir(parents=True)
    other = tmp_path / "ab.k1ll3d"
    other.mkdir()
    fill_once(tmp_path / "a", "result", _write)
    assert not left.exists()
    assert other.exists()  # of another key, which may be in work


def test_several_processes_fill_it_once(tmp_path: Path):
    folder = tmp_path / "a"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_many, args=(folder,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.lock", "fills"}
    assert len((tmp_path / "fills").read_text().splitlines()) == 1


def test_keys():
    assert content_key(["a", "b"]) == content_key(iter(["a", "b"]))
    assert len({content_key(parts) for parts in (["ab"], ["a", "b"], ["b", "a"], ["a", ""])}) == 4
