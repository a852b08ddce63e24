"""Zero point and group scale, applied once per K block and output."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config
from .devices import device_of
from .element_latency import rescale_latency
from .processing_element import row_terms

__all__ = ["Rescale"]

#: Unsigned bits that one operand of a device's multiplier holds.
_HALF = 17


class Rescale(Component):
    """``value = ((((acc << shift) + c * sum_x) >> halve) * scale) << exponent``.

    `sum_x`, `shift` and `exponent` are the row's terms (`hw.processing_element.row_terms`); without
    quantised tables and block-scaled activations the latter two are 0.

    With planes of +-1, ``acc = sum x (2q - (2**b - 1))``, so that with ``c = 2**b - 1 - 2z`` the
    sum is ``2 * sum x (q - z)``: even, and halved without loss (rounded down where tables are
    quantised). `c` is `coefficient` and `scale` 1, or, where `group` is set, lane n takes
    both from its parameters: ``c = 2z + 1`` if `halve` else ``z``, z being the signed zero field.

    A lane's `acc` stands for its negative where ``acc_signs[n]``, see `hw.plane_accumulator`.

    Latency: `latency` cycles from `valid` to `out_valid`. `acc` and its signs come with `valid`,
    `rows` one cycle before it, `group` and `parameters` two; `halve` and `coefficient` stay as they
    are. Every multiplier stands between two registers, and that of the scale is cut in two.
    """

    @property
    def latency(self) -> int:
        """Cycles from `valid` to `out_valid`."""
        return rescale_latency(self._config)

    def __init__(self, config: Config) -> None:
        self._config = c = config
        super().__init__(
            {
                "valid": In(1),
                "halve": In(1),
                "group": In(1),
                "coefficient": In(signed(c.coefficient_bits)),
                "parameters": In(c.scale_word_bits),
                "acc_signs": In(c.lanes),
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

        valids = [self.valid]
        for cycle in range(self.latency):
            later = Signal(name=f"valid{cycle}")
            m.d.sync += later.eq(valids[-1])
            valids.append(later)
        m.d.comb += self.out_valid.eq(valids[-1])

        # Two cycles before `valid`: a lane's coefficient and scale.
        coefficients, scales = [], []
        for lane in range(c.lanes if c.zero_bits else 1):
            zero = parameters[lane][c.scale_bits :].as_signed() if c.zero_bits else Const(0)
            own = Mux(self.halve, (zero << 1) + 1, zero)
            coefficient = Signal.like(self.coefficient, name=f"own{lane}", reset_less=True)
            m.d.sync += coefficient.eq(Mux(self.group, own, self.coefficient))
            coefficients.append(coefficient)
        for lane in range(c.lanes if c.scale_bits else 0):
            scale = Mux(self.group, parameters[lane][: c.scale_bits], 1)
            for cycle in range(3):
                later = Signal(c.scale_bits, name=f"scale{lane}_{cycle}", reset_less=True)
                m.d.sync += later.eq(scale)
                scale = later
            scales.append(scale)
        # It stays as it is for long, but would drive every bit of every sum.
        halves = device_of(c).copies(m, self.halve, c.lanes, name="halve")
        for row in range(c.rows):
            self._row(m, row, valids, halves, coefficients, scales)
        return m

    def _row(self, m: Module, row: int, valids, halves, coefficients, scales) -> None:
        c, device = self._config, device_of(self._config)
        terms = Signal.like(self.rows[row], name=f"terms{row}", reset_less=True)
        exponent = terms.exponent
        m.d.sync += terms.eq(self.rows[row])
        for cycle in range(self.latency - 1):
            later = Signal(c.act_exponent_bits, name=f"exponent{row}_{cycle}", reset_less=True)
            m.d.sync += later.eq(exponent)
            exponent = later
        # One multiplier a row serves all lanes where they have one zero point in common.
        offsets = []
        for n, coefficient in enumerate(coefficients):
            offset = Signal(signed(c.value_bits), name=f"offset{row}_{n}", reset_less=True)
            m.d.sync += offset.eq(coefficient * self.rows[row].sum_x)
            offsets.append(offset)

        # Enables only save power (and simulation time); on a device they are nets across the chip.
        def enable(valid: Value) -> Value:
            return valid if device.cells is None else Const(1, 1)

        for lane in range(c.lanes):
            i = row * c.lanes + lane
            acc = self.acc[i] << terms.shift if c.max_table_shift else self.acc[i]
            full = device.add(
                m,
                [offsets[lane % len(offsets)], acc],
                bits=c.value_bits,
                name=f"full{i}",
                subtract=self.acc_signs[lane] if c.device != "generic" else None,
            )
            value = Signal(signed(c.value_bits), name=f"value{i}", reset_less=True)
            with m.If(enable(valids[0])):
                m.d.sync += value.eq(Mux(halves[lane], full >> 1, full))
            if c.scale_bits:
                with m.If(valids[1]):
                    value = self._product(m, value, scales[lane], name=f"scaled{i}")
            result = Signal(signed(c.scaled_bits), name=f"result{i}", reset_less=True)
            m.d.comb += self.values[i].eq(result)
            with m.If(enable(valids[-2])):
                m.d.sync += result.eq(value << exponent)

    def _product(self, m: Module, value: Signal, scale: Signal, *, name: str) -> Value:
        """``value * scale`` a cycle later, in halves that a multiplier of 18 bits takes."""
        low = value.as_unsigned()[:_HALF]
        high = value[_HALF:].as_signed() if len(value) > _HALF else None
        if high is None:
            product = Signal.like(value * scale, name=name, reset_less=True)
            m.d.sync += product.eq(value * scale)
            return product
        products = []
        for part, half in (("low", low), ("high", high)):
            product = Signal.like(half * scale, name=f"{name}_{part}", reset_less=True)
            m.d.sync += product.eq(half * scale)
            products.append(product)
        return products[0] + (products[1] << _HALF)
