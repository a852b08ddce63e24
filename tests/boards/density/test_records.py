from __future__ import annotations

import multiprocessing
from pathlib import Path

from lutra.boards.density.points import Point, array_config
from lutra.boards.density.records import Records, point_key


def _add(path: str, first: int) -> int:
    records = Records(path)
    return sum(records.add(f"key{i}", {"value": i}) for i in range(first, first + 20))


def test_added_once_by_several_processes(tmp_path: Path):
    path = str(tmp_path / "folder" / "study.jsonl")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        added = pool.starmap(_add, [(path, 0), (path, 10), (path, 0)])
    assert sum(added) == 30
    assert sorted(r["value"] for r in Records(path)) == list(range(30))


def test_half_a_line_is_left_behind(tmp_path: Path):
    records = Records(tmp_path / "study.jsonl")
    assert list(records) == []
    records.add("a", {"value": 1})
    with records.path.open("ab") as file:
        file.write(b'{"key": "b", "val')
    assert [r["key"] for r in records] == ["a"]
    assert records.add("b", {"value": 2})
    assert [r["value"] for r in records] == [1, 2]


def test_latest(tmp_path: Path):
    records = Records(tmp_path / "study.jsonl")
    assert records.add("a", {"value": 1})
    assert records.add("b", {"value": 2})
    assert not records.add("a", {"value": 3})
    assert records.add("a", {"value": 4}, again=True)
    assert [(r["key"], r["value"]) for r in records.latest()] == [("b", 2), ("a", 4)]


def test_keys_tell_points_apart():
    config = array_config("lut", "2", 8, lanes=8, tables=4, lookup_group=4)
    other = array_config("lut", "2", 8, lanes=8, tables=4, lookup_group=3)
    points = [
        Point("ecp5", config, "2"),
        Point("xc7", config, "2"),
        Point("ecp5", other, "2"),
        Point("ecp5", config, "1.58"),
        Point("ecp5", config, "2", seed=2),
        Point("ecp5", config, "2", variant="lean"),
    ]
    keys = [point_key(p) for p in points]
    assert len(set(keys)) == len(points)
    assert point_key(points[0]) == keys[0]
    assert point_key(points[0], "library") != keys[0]
