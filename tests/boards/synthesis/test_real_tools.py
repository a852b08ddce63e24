"""The real tools on something small: RTLIL in, a bitstream out."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import io
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component

from lutra.boards.registry import find_board
from lutra.boards.synthesis.design import Design, adapted_plan
from lutra.boards.synthesis.errors import DoesNotFitError
from lutra.boards.synthesis.flow import Flow
from lutra.gen.config_names import load_config


class Blinker(Component):
    """A counter that reads a memory of so many words of 16 bits, to a light."""

    def __init__(self, words: int) -> None:
        self._words = words
        super().__init__({})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.light = light = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.submodules.memory = memory = Memory(shape=16, depth=self._words, init=[1])
        write, read = memory.write_port(), memory.read_port()
        count = Signal(24)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [
            read.addr.eq(count[-15:]), write.addr.eq(count[-15:]), write.data.eq(count),
            write.en.eq(count[0]), light.o.eq(read.data.xor()),
        ]  # fmt: skip
        return m


def design_of(words: int) -> Design:
    board = find_board("icebreaker")
    platform = board.create_platform()
    plan = platform.prepare(Blinker(words), "lutra", emit_src=False)
    return Design(
        board=board, config=load_config("tiny"), memory="none", device="iCE40UP5K-sg48",
        clock_hz=12e6, **adapted_plan(plan, 12e6),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTRA_CACHE", str(tmp_path / "cache"))


def test_blinker(tmp_path: Path) -> None:
    (built,) = Flow().build([design_of(256)], seeds=[1], root=tmp_path)
    assert built.error is None
    assert built.report is not None
    assert built.report.timing_met
    assert 24 <= built.report.mapped["luts"] <= 60
    assert built.report.mapped["flip_flops"] >= 24
    assert built.report.mapped["block_ram"] == 1
    used, available = built.report.device["luts"]
    assert 24 <= used < 100
    assert available == 5280
    assert built.bitstream is not None
    assert built.bitstream.read_bytes()[:4] == b"\xff\x00\x00\xff"  # as icepack begins
    assert any("count" in hop.name for hop in built.report.critical_path)


def test_too_large(tmp_path: Path) -> None:
    (built,) = Flow().build([design_of(40 * 256)], seeds=[1], root=tmp_path)
    assert isinstance(built.error, DoesNotFitError)
    (short,) = built.error.shortages
    assert str(short) == "40 ICESTORM_RAM of 30, 10 too many (1.33 times)"
    assert not list(tmp_path.rglob("*.bin"))
