# amaranth: UnusedElaboratable=no
"""The top of a board: a `System`, its clock, and the board's pins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Component, connect

from ..gen.config_names import load_config
from ..gen.quick_memories import quick_memories
from ..hw.config import Config
from .clock_source import ClockSource
from .memory.kinds import Memory, Sdram
from .memory.sdram_pads import SdramPads
from .registry import Board, find_board
from .system import System

__all__ = ["BoardTop", "UnknownMemoryError"]


class UnknownMemoryError(ValueError):
    """The board has no memory of that name."""


class BoardTop(Component):
    """Everything on one board, to be built with its platform.

    ``BoardTop("ulx3s").prepare()`` needs no tools but Amaranth; its build plan has RTLIL (for
    7-series Verilog, too) and constraints for the tools that follow.

    Parameters
    ----------
    board : str or Board
    config : str, Path or Config, optional
        By default the board's own.
    memory : str or Memory, optional
        One of ``board.memories``, or anything else; by default the first.
    clock_hz : float, optional
        By default the board's own.
    baud : int, optional
        By default the board's own.

    Attributes
    ----------
    board : Board
    config : Config
    memory : Memory
    clock_hz : float
        What the clock generator really makes.

    Raises
    ------
    UnknownBoardError, UnknownMemoryError
        There is no such board, or no such memory on it.
    ConfigError
        The configuration does not exist or cannot be built.
    ClockError, BaudError, SdramClockError
        The clock cannot be made, or suits the serial port or the memory not.
    """

    def __init__(
        self,
        board: str | Board,
        config: str | Path | Config | None = None,
        *,
        memory: str | Memory | None = None,
        clock_hz: float | None = None,
        baud: int | None = None,
    ) -> None:
        self.board = find_board(board)
        self.config = load_config(self.board.config if config is None else config)
        self.memory = self._memory(memory)
        self._baud = baud or self.board.baud
        self.platform = self.board.create_platform()
        self.clock_hz = oscillator_hz = self.platform.default_clk_frequency
        wanted = clock_hz or self.board.clock_hz
        self._clock: ClockSource | None = None
        if abs(wanted - oscillator_hz) > 1:
            self._clock = ClockSource(
                self.board.family, oscillator_hz=oscillator_hz, clock_hz=wanted
            )
            self.clock_hz = self._clock.frequency
        self._system = System(
            self.config,
            memory=self.memory,
            clock_hz=round(self.clock_hz),
            baud=self._baud,
            buffer_bytes=self.board.buffer_bytes,
        )
        super().__init__({})

    def prepare(self, name: str = "top", **options: Any) -> Any:
        """Build plan (`amaranth.build.run.BuildPlan`) of the platform; once only."""
        with quick_memories():
            return self.platform.prepare(self, name, **options)

    def elaborate(self, platform) -> Module:
        m = Module()
        if self._clock is not None:  # else the platform makes the domain, from the oscillator
            m.submodules.clock = clock = self._clock
            m.domains.sync = ClockDomain()
            m.d.comb += ClockSignal().eq(clock.clk)
            m.submodules.reset = ResetSynchronizer(clock.rst, domain="sync")
        m.submodules.system = system = self._system
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [system.rx.eq(rx.i), tx.o.eq(system.tx)]
        if self.board.light is not None:
            m.submodules.light = light = io.Buffer(
                "o", platform.request(*self.board.light, dir="-")
            )
            m.d.comb += light.o.eq(system.busy)
        if isinstance(self.memory, Sdram):
            port = platform.request("sdram", 0, dir="-")
            m.submodules.pads = pads = SdramPads(self.memory.chip, port)
            connect(m, system.pins, pads.pins)
        return m

    def _memory(self, memory: str | Memory | None) -> Memory:
        choices = self.board.memories
        if memory is None:
            return next(iter(choices.values()))
        if isinstance(memory, Memory):
            return memory
        if memory not in choices:
            raise UnknownMemoryError(
                f"memory of {self.board.name} must be one of {', '.join(choices)}, not {memory!r}"
            )
        return choices[memory]
