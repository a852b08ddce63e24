"""Zero point and group scale, applied once per K block and output."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config
from .processing_element import row_terms

__all__ = ["Rescale"]


class Rescale(Component):
    """``value = ((((acc << shift) + c * sum_x) >> halve) * scale) << exponent``.

    `sum_x`, `shift` and `exponent` are the row's terms (`hw.processing_element.row_terms`); without
    quantised tables and block-scaled activations the latter two are 0.

    With planes of +-1, ``acc = sum x (2q - (2**b - 1))``, so that with ``c = 2**b - 1 - 2z`` the
    sum is ``2 * sum x (q - z)``: even, and halved without loss (rounded down where tables are
    quantised). `c` is `coefficient` and `scale` 1, or, where `group` is set, lane n takes
    both from its parameters: ``c = 2z + 1`` if `halve` else ``z``, z being the signed zero field.

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
                "rows": In(data.ArrayLayout(row_terms(c), c.rows)),
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
            terms = self.rows[row]
            sum_x = terms.sum_x
            exponent = Signal(c.act_exponent_bits, name=f"exponent{row}", reset_less=True)
            m.d.sync += exponent.eq(terms.exponent)
            # One multiplier a row serves all lanes while they have one zero point in common.
            common = Signal(signed(c.value_bits), name=f"common{row}")
            m.d.comb += common.eq(self.coefficient * sum_x)
            for lane in range(c.lanes):
                i = row * c.lanes + lane
                full = Signal(signed(c.value_bits), name=f"full{i}")
                value = Signal(signed(c.value_bits), name=f"value{i}", reset_less=True)
                acc = self.acc[i] << terms.shift if c.max_table_shift else self.acc[i]
                m.d.comb += full.eq(acc + common)
                with m.If(self.group):
                    own = Signal(signed(c.coefficient_bits), name=f"own{i}")
                    m.d.comb += [
                        own.eq(Mux(self.halve, (zeros[lane] << 1) + 1, zeros[lane])),
                        full.eq(acc + own * sum_x),
                    ]
                with m.If(self.valid):
                    m.d.sync += value.eq(Mux(self.halve, full >> 1, full))
                scaled = Mux(grouped, value * scales[lane], value) if c.scale_bits else value
                with m.If(valid):
                    m.d.sync += self.values[i].eq(scaled << exponent)
        return m
