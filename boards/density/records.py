"""Results of the study: one JSON object a line, never lost, never twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..synthesis.yosys import yosys_version
from .points import Point
from .targets import commands_of

__all__ = ["RECORDED", "Records", "point_key"]

#: The study that is checked in.
RECORDED = Path(__file__).parent / "recorded" / "study.jsonl"


def point_key(point: Point, library: str = "") -> str:
    """Hash of everything that a result depends on but the gateware itself.

    That is the point, the commands of its target, Yosys, and `library`, the digest of the liberty
    file where the target is one. A study is extended by the
    points that it lacks; after the gateware has changed, ``--rerun`` measures anew.
    """
    text = "\0".join([point.text, commands_of(point.target), library, yosys_version()])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Records:
    """A file of results, extended by any number of processes at the same time.

    A line is written whole, under a lock, and only if no line has its key. What a killed process
    left behind of a line is cut off by the next writer and skipped by readers.
    """

    def __init__(self, path: str | Path = RECORDED) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            yield record

    def latest(self) -> list[dict[str, Any]]:
        """The last record of every key, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        for record in self:
            found.pop(record["key"], None)
            found[record["key"]] = record
        return list(found.values())

    def keys(self) -> set[str]:
        """Keys of what has been measured."""
        return {record["key"] for record in self}

    def add(self, key: str, result: dict[str, Any], *, again: bool = False) -> bool:
        """Append a result; False, and nothing written, where its key is there and not `again`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            if not again and key in self.keys():
                return False
            line = json.dumps({"key": key, **result}, sort_keys=True) + "\n"
            with open(self.path, "ab") as file:
                if not self._ends_whole():
                    file.write(b"\n")
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        return True

    def _ends_whole(self) -> bool:
        with open(self.path, "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
