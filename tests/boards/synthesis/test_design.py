# amaranth: UnusedElaboratable=no
"""Boards' tops as files and commands: with the ports of a core and nothing behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lutra.boards import system
from lutra.boards.registry import BOARDS
from lutra.boards.synthesis.design import prepare_design
from lutra.boards.synthesis.tools import TOOLS

from ..test_top import EmptyCore


@pytest.fixture(autouse=True)
def _empty_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "Core", EmptyCore)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board(name: str) -> None:
    design = prepare_design(name, "tiny")
    family = BOARDS[name].family
    assert design.name == f"tiny on {name}"
    assert any(f"synth_{family if family != 'xc7' else 'xilinx'}" in c for c in design.script)
    root = str(Path(__file__).parents[3])
    assert not any(root in text for text in design.files.values())
    if family == "xc7":
        assert design.place is design.pack is None
        assert {"lutra.il", "lutra.v", "lutra.xdc", "lutra.tcl"} == set(design.files)
        return
    assert design.place is not None
    assert design.pack is not None
    assert {design.place.tool, design.pack.tool} <= set(TOOLS)
    arguments = design.place.arguments
    assert design.netlist in arguments
    assert "--quiet" not in arguments
    assert arguments[arguments.index("--freq") + 1] == f"{design.clock_hz / 1e6:g}"
    assert ("router2" in arguments) == (family == "ecp5")
    assert design.product.startswith("lutra.")


def test_multipliers_have_another_router() -> None:
    design = prepare_design("ulx3s_25f", "w2a8_mac")
    assert design.place is not None
    assert "router1" in design.place.arguments


def test_the_die_inside_a_package() -> None:
    design = prepare_design("tang_nano_20k", "tiny")
    assert design.place is not None
    assert design.pack is not None
    assert "family=GW2A-18C" in design.place.arguments
    assert "GW2A-18C" in design.pack.arguments


def test_keys() -> None:
    one, same = prepare_design("ulx3s_25f", "tiny"), prepare_design("ulx3s_25f", "tiny")
    assert one.key("x") == same.key("x")
    others = [
        one.key("y"),
        prepare_design("ulx3s_25f", "tiny", baud=500_000).key("x"),
        prepare_design("ulx3s_25f", "tiny", memory="onchip").key("x"),
        prepare_design("colorlight_i5", "tiny").key("x"),
    ]
    assert len({one.key("x"), *others}) == 5
