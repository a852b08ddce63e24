# amaranth: UnusedElaboratable=no
"""Every board's top, with its platform, as far as Amaranth goes: RTLIL or Verilog, constraints."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component

from lutra.boards import system
from lutra.boards.link.baud import BaudError
from lutra.boards.memory.kinds import OnChip, UltraPlus
from lutra.boards.memory.sdram_pads import SdramClockError
from lutra.boards.pll import ClockError
from lutra.boards.registry import BOARDS, UnknownBoardError
from lutra.boards.system import System
from lutra.boards.top import BoardTop, UnknownMemoryError
from lutra.gen.config_names import UnknownConfigError, load_config
from lutra.hw.core import Core


class EmptyCore(Component):
    """The ports of a core and nothing behind them: what is around it takes a second."""

    def __init__(self, config, *, config_hash: int) -> None:
        super().__init__(Core(config, config_hash=config_hash).signature)

    def elaborate(self, platform: object) -> Module:
        return Module()


@pytest.fixture
def empty_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "Core", EmptyCore)


def text_of(plan, ending: str) -> str:
    (text,) = (plan.files[name] for name in plan.files if name == f"top{ending}")
    return text if isinstance(text, str) else text.decode()


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_elaborates(name: str, empty_core: None) -> None:
    top = BoardTop(name, "tiny")
    plan = top.prepare()
    constraints = {"ecp5": ".lpf", "ice40": ".pcf", "gowin": ".cst", "xc7": ".xdc"}
    text = text_of(plan, constraints[BOARDS[name].family])
    for pin in ("uart_0__rx__io", "uart_0__tx__io"):
        assert pin in text
    design = text_of(plan, ".v" if "top.v" in plan.files else ".il")
    wanted = {"ecp5": "EHXPLLL", "xc7": "PLLE2_BASE"}.get(BOARDS[name].family)
    if top.clock_hz != top.platform.default_clk_frequency:
        assert wanted in design
    if "sdram" in str(top.memory).lower():
        assert "ODDRX1F" in design
        assert "sdram_0__dq__io" in text
    if isinstance(top.memory, UltraPlus):
        assert design.count("cell \\SB_SPRAM256KA") == 4


def test_a_whole_board() -> None:
    """With a real core, as it is built."""
    top = BoardTop("ulx3s_25f", memory="onchip", clock_hz=100e6, baud=2_000_000)
    assert top.clock_hz == 100e6
    assert top.config == load_config("tiny")
    plan = top.prepare()
    assert "module \\top.system.core.compute" in text_of(plan, ".il")
    assert 'FREQUENCY NET "clock.pll_out" 100000000.0 HZ' in text_of(plan, ".lpf")


def test_the_clock_generator_of_gowin(empty_core: None) -> None:
    top = BoardTop("tang_nano_9k", clock_hz=40.5e6, baud=810_000)
    assert top.clock_hz == 40.5e6
    assert "cell \\rPLL" in text_of(top.prepare(), ".il")


@pytest.mark.parametrize(
    ("board", "options", "error", "message"),
    [
        ("ulx4s", {}, UnknownBoardError, "did you mean ulx3s"),
        ("arty_a7", {"memory": "sdram"}, UnknownMemoryError,
         "memory of arty_a7 must be one of onchip, not 'sdram'"),
        ("arty_a7", {"config": "w9"}, UnknownConfigError, "configuration must be a preset"),
        ("ulx3s", {"clock_hz": 1e6}, ClockError, "clock must be one that ecp5 makes of 25 MHz"),
        ("icebreaker", {"clock_hz": 24e6}, ClockError, "must be the oscillator's 12 MHz"),
        ("icebreaker", {"baud": 5_000_000}, BaudError, "baud must be at most 2400000"),
        ("ulx3s", {"clock_hz": 50e6}, SdramClockError, "clock must be at most 41.7 MHz"),
        ("icebreaker", {"config": "w2a8"}, ValueError,
         "axi_bits must be 32 for 128 KiB of single-port RAM in blocks of 32 KiB, not 512"),
    ],
)  # fmt: skip
def test_init_wrong(
    board: str, options: dict, error: type[Exception], message: str, empty_core: None
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        BoardTop(board, **options)


def test_memory_beyond_the_address_width(empty_core: None) -> None:
    config = replace(load_config("tiny"), addr_bits=14)
    with pytest.raises(ValueError, match="addr_bits must be at least 16 for 64 KiB of block RAM"):
        System(config, memory=OnChip(1 << 16), clock_hz=8_000_000)
