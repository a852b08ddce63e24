"""Puts the planes of a weight together: one shift and one addition a plane."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config
from .processing_element import signed_sum

__all__ = ["PlaneAccumulator", "PlaneControl"]

#: How one plane enters the accumulator: ``acc = (0 if first else acc << shift) +- sum``.
PlaneControl = data.StructLayout({"valid": 1, "first": 1, "shift": 3, "negative": 1})


class PlaneAccumulator(Component):
    """``acc[m, n] = (acc[m, n] << shift) +- s_p[m, n]`` over the planes p, highest first.

    The sign a lane's plane sum arrives with and the plane's own sign are applied here, in the
    adder that is needed anyhow. ``|acc| < 2**(acc_bits - 1)`` for every list of planes that the
    sequencer lets pass, see `Config.acc_bits`.

    Latency: 1 cycle.
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        sums = data.ArrayLayout(signed_sum(c), c.rows * c.lanes)
        super().__init__(
            {
                "control": In(PlaneControl),
                "sums": In(sums),
                "signs": In(c.lanes),
                "acc": Out(data.ArrayLayout(signed(c.acc_bits), c.rows * c.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        minus = Signal(c.lanes)
        shift = Signal(range(c.max_shift + 1))
        m.d.comb += [
            minus.eq(self.signs ^ self.control.negative.replicate(c.lanes)),
            shift.eq(self.control.shift),
        ]
        for i in range(c.rows * c.lanes):
            acc = Signal(signed(c.acc_bits), name=f"acc{i}", reset_less=True)
            shifted = Signal(signed(c.acc_bits), name=f"shifted{i}")
            sign = minus[i % c.lanes]
            term = (self.sums[i].as_unsigned() ^ sign.replicate(c.sum_bits)).as_signed()
            m.d.comb += [
                shifted.eq(Mux(self.control.first, 0, acc << shift)),
                self.acc[i].eq(acc),
            ]
            with m.If(self.control.valid):
                m.d.sync += acc.eq(shifted + term + sign)
        return m
