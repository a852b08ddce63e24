"""Zero point and group scale, applied once per K block and output."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config
from .processing_element import signed_sum

__all__ = ["Rescale"]


class Rescale(Component):
    """``value = ((acc + c * sum_x) >> halve) * scale``, exact.

    With planes of +-1, ``acc = sum x (2q - (2**b - 1))``, so that with ``c = 2**b - 1 - 2z`` the
    sum is ``2 * sum x (q - z)``: even, and halved without loss. `c` is `coefficient` and `scale` 1,
    or, where `group` is set, lane n takes both from its parameters: ``c = 2z + 1`` if `halve` else
    ``z``, with z the signed zero field.

    Latency: 2 cycles from `valid` to `out_valid`; `parameters` and the rest of the inputs go with
    `valid`.
    """

    latency = 2

    def __init__(self, config: Config) -> None:
        self._config = c = config
        super().__init__(
            {
                "valid": In(1),
                "halve": In(1),
                "group": In(1),
                "coefficient": In(signed(c.coefficient_bits)),
                "parameters": In(c.scale_word_bits),
                "acc": In(data.ArrayLayout(signed(c.acc_bits), c.rows * c.lanes)),
                "sum_x": In(data.ArrayLayout(signed_sum(c), c.rows)),
                "out_valid": Out(1),
                "values": Out(data.ArrayLayout(signed(c.scaled_bits), c.rows * c.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        width = c.scale_bits + c.zero_bits
        parameters = [self.parameters[n * width : (n + 1) * width] for n in range(c.lanes)]
        zeros = [p[c.scale_bits :].as_signed() for p in parameters]

        grouped, valid = Signal(reset_less=True), Signal()
        m.d.sync += [valid.eq(self.valid), self.out_valid.eq(valid)]
        scales = [Signal(c.scale_bits, name=f"scale{n}", reset_less=True) for n in range(c.lanes)]
        with m.If(self.valid):
            m.d.sync += grouped.eq(self.group)
        with m.If(self.valid & self.group):
            m.d.sync += [s.eq(p[: c.scale_bits]) for s, p in zip(scales, parameters, strict=True)]

        for row in range(c.rows):
            sum_x = self.sum_x[row]
            # One multiplier a row serves all lanes while they have one zero point in common.
            common = Signal(signed(c.value_bits), name=f"common{row}")
            m.d.comb += common.eq(self.coefficient * sum_x)
            for lane in range(c.lanes):
                i = row * c.lanes + lane
                full = Signal(signed(c.value_bits), name=f"full{i}")
                value = Signal(signed(c.value_bits), name=f"value{i}", reset_less=True)
                m.d.comb += full.eq(self.acc[i] + common)
                with m.If(self.group):
                    own = Signal(signed(c.coefficient_bits), name=f"own{i}")
                    m.d.comb += [
                        own.eq(Mux(self.halve, (zeros[lane] << 1) + 1, zeros[lane])),
                        full.eq(self.acc[i] + own * sum_x),
                    ]
                with m.If(self.valid):
                    m.d.sync += value.eq(Mux(self.halve, full >> 1, full))
                with m.If(valid):
                    if c.scale_bits:
                        with m.If(grouped):
                            m.d.sync += self.values[i].eq(value * scales[lane])
                        with m.Else():
                            m.d.sync += self.values[i].eq(value)
                    else:
                        m.d.sync += self.values[i].eq(value)
        return m
