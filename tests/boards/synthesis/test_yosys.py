from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from lutra.boards.synthesis.yosys import (
    YosysFailedError,
    YosysTimeoutError,
    component_rtlil,
    plain_names,
    read_counts,
    run_yosys,
    yosys_version,
)

pytest.importorskip("pyosys")


class _Sums(Component):
    """Has a bus ``x`` and elements ``x[0]``, ``x[1]``, which ABC9 would take for its bits."""

    def __init__(self) -> None:
        super().__init__({"x": In(data.ArrayLayout(4, 2)), "y": Out(data.ArrayLayout(5, 2))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += [self.y[0].eq(self.x[0] + self.x[1]), self.y[1].eq(self.x[0] ^ self.x[1])]
        return m


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"wire width 4 \x[0]", r"wire width 4 \x.0"),
        (r"connect \a.b[1][2].c \y [3:0]", r"connect \a.b.1.2.c \y [3:0]"),
        (r'parameter \MEMID "\\m[0]"', r'parameter \MEMID "\\m.0"'),
        (r"cell $add $1", r"cell $add $1"),
        (r"assign \v[2] = 1'h0;", r"assign \v.2 = 1'h0;"),
    ],
)
def test_plain_names(text: str, plain: str):
    assert plain_names(text) == plain


def test_component_to_counts(tmp_path: Path):
    text = component_rtlil(_Sums())
    assert r"\top" in text
    (tmp_path / "top.il").write_text(text)
    commands = ["read_rtlil top.il", "synth_ecp5 -top top", "tee -q -o counts.json stat -json"]
    log = run_yosys(commands, folder=tmp_path, log=tmp_path / "yosys.log")
    assert (tmp_path / "yosys.log").read_text() == log
    counts = read_counts(tmp_path / "counts.json")
    assert counts.cells["TRELLIS_FF"] == 9
    assert counts.cells["LUT4"] + counts.cells.get("CCU2C", 0) > 4
    assert counts.area == 0


def test_errors(tmp_path: Path):
    with pytest.raises(YosysFailedError, match="No such command: nonsense") as error:
        run_yosys(["nonsense"], folder=tmp_path)
    assert "nonsense" in error.value.log
    with pytest.raises(YosysFailedError, match=r"missing\.il"):
        run_yosys(["read_rtlil missing.il"], folder=tmp_path)


def test_timeout(tmp_path: Path):
    with pytest.raises(YosysTimeoutError, match=r"more than 0\.01 s"):
        run_yosys(["help"], folder=tmp_path, timeout=0.01)


def test_version():
    assert yosys_version().startswith("pyosys 0.")
