"""The pads of an SDRAM chip: its clock, its outputs, and when its data is there."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import io
from amaranth.lib.wiring import Component, In

from .sdram_chip import SdramChip, SdramPins

__all__ = ["SdramClockError", "SdramPads", "capture_delay"]

#: In nanoseconds: out to a pad and back in from one, fastest and slowest (ECP5 data sheet and
#: place-and-route reports, board traces included); the chip's access and hold times.
_FASTEST, _SLOWEST, _ACCESS, _HOLD = 3.0, 6.0, 6.0, 2.5

#: Cycles that the registers in the pads add, one on the way out and one on the way in.
_PAD_REGISTERS = 2

#: The chip's own limit at its latency, in MHz.
_MOST = 125


class SdramClockError(ValueError):
    """At this clock no edge falls safely into the time in which the chip gives its data."""


def capture_delay(clock_hz: float) -> int:
    """The `late` of a `SdramController` behind these pads.

    The chip's clock is inverted. Its data is at a register of ours from
    ``T/2 + slowest + access`` to ``3T/2 + fastest + hold`` after the edge that put the command out
    (less the latency's whole cycles); this finds the edge ``T`` or ``2T`` that lies within, and
    adds the registers of the pads.

    Raises
    ------
    SdramClockError
        Neither does; the text has the clocks at which one would.
    """
    period = 1e9 / clock_hz
    begin, end = period / 2 + _SLOWEST + _ACCESS, 1.5 * period + _FASTEST + _HOLD
    for late in range(2):
        if begin <= (late + 1) * period <= end and clock_hz <= _MOST * 1e6:
            return late + _PAD_REGISTERS
    slow = 1e3 / (2 * (_SLOWEST + _ACCESS))
    fast = 1e3 / (2 * (_FASTEST + _HOLD))
    raise SdramClockError(
        f"clock must be at most {slow:.1f} MHz, or from {fast:.1f} to {_MOST} MHz, with SDRAM, not "
        f"{clock_hz / 1e6:g} MHz: in between its data comes too late for one edge and too early "
        "for the next"
    )


class SdramPads(Component):
    """Connects a controller to the pins of a platform, with a register at every pad.

    Parameters
    ----------
    chip : SdramChip
    port : object
        The platform's resource, requested with ``dir="-"``: clk, clk_en, cs, ras, cas, we, ba, a,
        dq, dqm (as amaranth-boards names them).

    Attributes
    ----------
    pins : In(SdramPins)
    """

    def __init__(self, chip: SdramChip, port) -> None:
        self._port = port
        super().__init__({"pins": In(SdramPins(chip))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port, pins = self._port, self.pins
        # High in the second half of each cycle: the chip looks at its inputs half a cycle late.
        m.submodules.clk = clk = io.DDRBuffer("o", port.clk)
        m.d.comb += [clk.o[0].eq(0), clk.o[1].eq(1)]
        for name in ("clk_en", "cs", "ras", "cas", "we", "ba", "a", "dqm"):
            m.submodules[name] = buffer = io.FFBuffer("o", getattr(port, name))
            m.d.comb += buffer.o.eq(getattr(pins, name))
        m.submodules.dq = dq = io.FFBuffer("io", port.dq)
        m.d.comb += [dq.o.eq(pins.dq_o), dq.oe.eq(pins.dq_oe), pins.dq_i.eq(dq.i)]
        return m
