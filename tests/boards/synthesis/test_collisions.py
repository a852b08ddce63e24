"""Only clocked reads that promise old data are loosened."""

from __future__ import annotations

import pytest

from lutra.boards.synthesis.collisions import loose_collisions

CELL = """\
  cell $memrd_v2 $37
    parameter \\WIDTH 32
    parameter \\TRANSPARENCY_MASK 2'{transparent}
    parameter \\COLLISION_X_MASK 2'00
    parameter \\CLK_ENABLE {clocked}
    connect \\ADDR \\address
  end
  cell $other \\x
  end
"""


@pytest.mark.parametrize(
    ("clocked", "transparent", "mask"), [(1, "00", "11"), (0, "00", "00"), (1, "10", "00")]
)
def test_masks(clocked: int, transparent: str, mask: str) -> None:
    before = CELL.format(clocked=clocked, transparent=transparent)
    wanted = before.replace("COLLISION_X_MASK 2'00", f"COLLISION_X_MASK 2'{mask}")
    assert loose_collisions(before) == wanted
    assert loose_collisions(before + before) == wanted + wanted
