"""Amaranth's text of memory contents, written a row at a time instead of a bit at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil

__all__ = ["quick_memories"]


@contextmanager
def quick_memories() -> Iterator[None]:
    """Within it, `amaranth.back.rtlil` writes the initial contents of memories fast.

    Amaranth 0.5 makes an object of every bit, which is half of all generation time for buffers of
    a few hundred kilobits. The text is the same, which a test compares.
    """
    original = rtlil.ModuleEmitter.emit_memory

    def emit_memory(self: rtlil.ModuleEmitter, cell_idx: int, cell) -> None:
        rows = "".join(f"{row & (1 << cell.width) - 1:0{cell.width}b}" for row in cell.init[::-1])
        if not rows:  # a memory without bits: too rare to be worth a second way
            return original(self, cell_idx, cell)
        ones = "1" * cell.width
        self.builder.cell(
            "$meminit_v2",
            ports={
                "ADDR": self.sigspec(),
                "DATA": f"{len(rows)}'{rows}",
                "EN": f"{len(ones)}'{ones}",
            },
            parameters={
                "MEMID": self.memories[cell_idx].memid,
                "ABITS": 0,
                "WIDTH": cell.width,
                "WORDS": cell.depth,
                "PRIORITY": 0,
            },
            src_loc=cell.src_loc,
        )
        return None

    rtlil.ModuleEmitter.emit_memory = emit_memory
    try:
        yield
    finally:
        rtlil.ModuleEmitter.emit_memory = original
