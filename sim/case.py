"""One run of a program as a file: what memory holds before, and what it has to hold after."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["EXACT_COUNTERS", "Case"]

#: Counters that do not depend on the memory's timing, in the order of the file.
EXACT_COUNTERS = ("array_busy", "bytes_read", "bytes_written")


@dataclass
class Case:
    """A program, its memory and its golden results.

    Attributes
    ----------
    program, length : int
        Byte address and number of instructions.
    writes : list of (int, ndarray of uint8)
        Memory before, in the order of writing.
    reads : list of (int, ndarray of uint8)
        Memory after.
    counters : dict of str to int
        Those that do not depend on the memory's timing.
    """

    program: int
    length: int
    writes: list[tuple[int, np.ndarray]]
    reads: list[tuple[int, np.ndarray]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the case as an ``.npz`` file."""
        arrays: dict[str, np.ndarray] = {
            "program": np.array([self.program, self.length], np.int64),
            "counters": np.array([self.counters[name] for name in EXACT_COUNTERS], np.int64),
        }
        for kind, pieces in (("write", self.writes), ("read", self.reads)):
            arrays[f"{kind}_addresses"] = np.array([at for at, _ in pieces], np.int64)
            arrays |= {f"{kind}_{i}": piece for i, (_, piece) in enumerate(pieces)}
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            pieces = {
                kind: [
                    (int(address), arrays[f"{kind}_{i}"])
                    for i, address in enumerate(arrays[f"{kind}_addresses"])
                ]
                for kind in ("write", "read")
            }
            program, length = (int(value) for value in arrays["program"])
            values = (int(value) for value in arrays["counters"])
            counters: dict[str, int] = dict(zip(EXACT_COUNTERS, values, strict=True))
        return cls(program, length, pieces["write"], pieces["read"], counters)
