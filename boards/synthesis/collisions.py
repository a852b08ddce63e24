"""Memories that need not remember: what a read gives while its word is being written."""

from __future__ import annotations

import re

__all__ = ["loose_collisions"]

_READ_PORT = re.compile(r"^  cell \$memrd_v2 .*?^  end$", re.DOTALL | re.MULTILINE)
_MASK = re.compile(r"(parameter \\(\w+)_MASK \d+')([01]+)")


def loose_collisions(rtlil: str) -> str:
    """RTLIL in which a clocked read of a word that is written in the same cycle gives anything.

    Amaranth promises the old contents, for which Yosys puts a register and a multiplexer beside
    every bit of a block RAM. No component here reads a word in the cycle it is written and uses
    what comes: buffers are ordered by tokens, partial sums by the lookup sequencer, queues by their
    levels. Ports that are transparent, or not clocked, stay as they are.
    """
    return _READ_PORT.sub(lambda cell: _loosened(cell[0]), rtlil)


def _loosened(cell: str) -> str:
    masks = {found[2]: found[3] for found in _MASK.finditer(cell)}
    if "\\CLK_ENABLE 1" not in cell or "1" in masks.get("TRANSPARENCY", ""):
        return cell
    return _MASK.sub(
        lambda found: found[1] + ("1" * len(found[3]) if found[2] == "COLLISION_X" else found[3]),
        cell,
    )
