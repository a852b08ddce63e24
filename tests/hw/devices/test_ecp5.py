"""How many cells sums take on the ECP5; what they compute is tested in whole accelerators."""

from __future__ import annotations

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, signed

from lutra.hw.devices import ECP5, Device


def _chains(device: Device, widths: list[int], *, parities: bool = False) -> tuple[int, int]:
    """CCU2C of several differences at once, and the bits of all their results."""
    m = Module()
    additions, inputs = [], []
    for number, bits in enumerate(widths):
        a, b = (Signal(signed(bits - 1), name=f"{side}{number}") for side in "ab")
        minus, lowest = Signal(name=f"minus{number}"), Signal(2, name=f"lowest{number}")
        inputs += [a, b, minus, lowest]
        addition = {"operands": [a, b], "bits": bits, "name": f"sum{number}", "subtract": minus}
        additions.append({**addition, "parities": [*lowest] if parities else None})
    sums = device.add_all(m, additions)
    total = Signal(sum(len(value) for value in sums), name="total")
    m.d.comb += total.eq(Cat(sums))
    return rtlil.convert(m, ports=[*inputs, total]).count("cell \\CCU2C "), len(total)


@pytest.mark.parametrize(
    ("widths", "cells"),
    [
        ([11], 6),  # a half for the carry, and one a bit
        ([12], 7),
        ([12, 12], 13),  # 26 halves
        ([12, 11, 12, 12], 13 + 6 + 7),
        ([14, 12], 14),
    ],
)
def test_odd_chains_share_a_cell(widths: list[int], cells: int):
    assert _chains(ECP5(), widths) == (cells, sum(widths))


def test_a_lowest_column_beside_the_entries_takes_a_half():
    assert _chains(ECP5(), [11, 11], parities=True) == (13, 22)
