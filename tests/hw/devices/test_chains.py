"""Sums in carry chains against generic ones, by SAT: whatever comes in where a chain is open."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal, Value, signed

from lutra.boards.synthesis.yosys import run_yosys
from lutra.hw.devices import ECP5, Device

_BITS = (5, 4, 6)


def _sums(device: Device, *, subtract: bool, parities: bool, keep: bool) -> str:
    """Verilog of three sums at once, the first two of which may share a cell."""
    m = Module()
    additions, inputs, outputs = [], [], []
    for number, bits in enumerate(_BITS):
        a, b = (Signal(signed(bits - 1), name=f"{side}{number}") for side in "ab")
        minus, kept = Signal(name=f"minus{number}"), Signal(name=f"keep{number}")
        lowest = Signal(2, name=f"lowest{number}")
        addition = {"operands": [a, b], "bits": bits, "name": f"sum{number}"}
        inputs += [a, b]
        for used, name, signal in (
            (subtract, "subtract", minus), (parities, "parities", lowest), (keep, "keep", kept)
        ):  # fmt: skip
            if used:
                addition[name] = list(signal) if name == "parities" else signal
                inputs.append(signal)
        additions.append(addition)
    for number, value in enumerate(device.add_all(m, additions)):
        outputs.append(Signal(_BITS[number], name=f"total{number}"))
        m.d.comb += outputs[-1].eq(Value.cast(value))
    return verilog.convert(m, name=type(device).__name__.lower(), ports=[*inputs, *outputs])


def _differ(folder: Path, chains: str, generic: str) -> bool:
    """Whether sums of the two can differ, for any inputs and anything on an open `CIN`."""
    (folder / "chains.v").write_text(chains)
    (folder / "generic.v").write_text(generic)
    cells = resources.files("lutra.hw.devices") / str(ECP5.cells)
    (folder / "cells.v").write_text(cells.read_text("utf-8"))
    log = run_yosys(
        [
            "read_verilog cells.v chains.v",
            "hierarchy -top ecp5",
            "proc",
            "flatten",
            "read_verilog generic.v",
            "proc",
            "miter -equiv -flatten ecp5 device both",
            "hierarchy -top both",
            "setundef -undriven -anyseq",
            "sat -prove trigger 0 both",
        ],
        folder=folder,
        timeout=300,
    )
    assert ("no model found: SUCCESS!" in log) != ("model found: FAIL!" in log)
    return "model found: FAIL!" in log


@pytest.mark.parametrize(
    ("subtract", "parities", "keep"),
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)],
)
def test_chains_equal_generic_sums(subtract: int, parities: int, keep: int, tmp_path: Path):
    kinds = {"subtract": bool(subtract), "parities": bool(parities), "keep": bool(keep)}
    text = _sums(ECP5(), **kinds)
    assert text.count(".CIN(") < text.count("CCU2C"), "a chain begins with an open input"
    assert not _differ(tmp_path, text, _sums(Device(), **kinds))


def test_what_comes_in_is_looked_at(tmp_path: Path):
    """Without the half that makes the carry, the comparison finds what comes in."""
    kinds = {"subtract": False, "parities": False, "keep": False}
    text = _sums(ECP5(), **kinds)
    passing = text.replace(".INIT0(16'h0000)", ".INIT0(16'hffff)")  # carries what comes in
    assert passing != text
    assert _differ(tmp_path, passing, _sums(Device(), **kinds))
