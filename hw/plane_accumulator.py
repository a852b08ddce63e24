"""Puts the planes of a weight together: one shift and one addition a plane."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .devices import device_of
from .processing_element import signed_sum

__all__ = ["PlaneAccumulator", "PlaneControl"]

#: How one plane enters the accumulator: ``acc = (0 if first else acc << shift) +- sum``.
PlaneControl = data.StructLayout({"valid": 1, "first": 1, "shift": 3, "negative": 1})


class PlaneAccumulator(Component):
    """``acc[m, n] = (acc[m, n] << shift) +- s_p[m, n]`` over the planes p, highest first.

    The sign a lane's plane sum arrives with and the plane's own sign are applied here, in the
    adder that is needed anyhow. ``|acc| < 2**(acc_bits - 1)`` for every list of planes that the
    sequencer lets pass, see `Config.acc_bits`.

    On devices whose carry chains subtract (`hw.devices`), the sign of the sum so far is not
    applied but kept beside it: ``acc_signs[n]`` says that what `acc` stands for is ``-acc``. Then
    ``acc = s_p +- (acc << shift)`` takes one chain.

    Where a single digit holds the widest weight, no plane but a first one ever comes
    (`Config.max_magnitude` is 1), and nothing is added to what has been accumulated.

    Latency: 1 cycle from `sums` and `signs`; `control` comes a cycle before them, and reaches each
    lane through a register of its own.
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        sums = data.ArrayLayout(signed_sum(c), c.rows * c.lanes)
        super().__init__(
            {
                "control": In(PlaneControl),
                "sums": In(sums),
                "signs": In(c.lanes),
                "acc_signs": Out(c.lanes),
                "acc": Out(data.ArrayLayout(signed(c.acc_bits), c.rows * c.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, device = self._config, device_of(self._config)
        copies = device.copies(m, self.control.as_value(), c.lanes, name="control")
        for lane, copy in enumerate(copies):
            control = PlaneControl(copy)
            minus = Signal(name=f"minus{lane}")
            m.d.comb += minus.eq(self.signs[lane] ^ control.negative)
            lazy, several = c.device != "generic", c.max_magnitude > 1
            subtract = Const(0, 1)
            if lazy:
                kept = self.acc_signs[lane]
                subtract = (kept ^ minus) & ~control.first
                with m.If(control.valid):
                    m.d.sync += kept.eq(minus)
            for row in range(c.rows):
                i = row * c.lanes + lane
                acc = Signal(signed(c.acc_bits), name=f"acc{i}", reset_less=True)
                shifted = Signal(signed(c.acc_bits), name=f"shifted{i}")
                shift = control.shift[: bits_for(c.max_shift + 1)]
                m.d.comb += [
                    shifted.eq(Mux(control.first, 0, acc << shift) if several else 0),
                    self.acc[i].eq(acc),
                ]
                if lazy and not several:
                    total = self.sums[i]
                elif lazy:
                    total = device.add(
                        m, [self.sums[i], shifted], bits=c.acc_bits, name=f"total{i}",
                        subtract=subtract,
                    )  # fmt: skip
                else:
                    flipped = self.sums[i].as_unsigned() ^ minus.replicate(c.sum_bits)
                    total = shifted + flipped.as_signed() + minus
                with m.If(control.valid):
                    m.d.sync += acc.eq(total)
        return m
