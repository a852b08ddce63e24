"""Binary floating-point formats of IEEE 754, and what their adders and multipliers share."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value

__all__ = ["FLOAT16", "FLOAT32", "FloatFormat", "leading_zeros", "shifted_right"]


@dataclass(frozen=True)
class FloatFormat:
    """A format of 1 sign bit, `exponent_bits` and `fraction_bits`, sign in the highest bit.

    Exponent fields of all ones are infinities (fraction 0) and NaN, of all zeros zeros and
    subnormal numbers. A NaN that arithmetic makes is `nan`: positive, quiet, without payload.
    """

    exponent_bits: int
    fraction_bits: int

    @property
    def width(self) -> int:
        """Bits of a number."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def significand_bits(self) -> int:
        """Bits of a significand, with the one in front that is not stored."""
        return 1 + self.fraction_bits

    @property
    def bias(self) -> int:
        """What is added to an exponent to make its field."""
        return (1 << self.exponent_bits - 1) - 1

    @property
    def special(self) -> int:
        """Exponent field of infinities and NaN."""
        return (1 << self.exponent_bits) - 1

    @property
    def infinity(self) -> int:
        """Bits of positive infinity."""
        return self.special << self.fraction_bits

    @property
    def nan(self) -> int:
        """Bits of the one NaN that results are."""
        return self.infinity | 1 << self.fraction_bits - 1

    def fraction(self, bits: Value) -> Value:
        """Fraction field of a number."""
        return bits[: self.fraction_bits]

    def exponent(self, bits: Value) -> Value:
        """Exponent field of a number."""
        return bits[self.fraction_bits : -1]


#: IEEE half precision, NumPy's float16.
FLOAT16 = FloatFormat(5, 10)
#: IEEE single precision, NumPy's float32.
FLOAT32 = FloatFormat(8, 23)


def leading_zeros(m: Module, value: Value, *, name: str) -> tuple[Value, Value]:
    """How many zeros stand above the highest one of `value`, and `value` without them.

    Both come from the same cascade: each stage moves the value up by a power of two if that many
    of its highest bits are zero. Of zero, the count is that of all stages.
    """
    width, counts = len(value), []
    for stage in reversed(range((width - 1).bit_length())):
        step = 1 << stage
        if step >= width:
            continue
        empty = Signal(name=f"{name}_empty{step}")
        moved = Signal(width, name=f"{name}_moved{step}")
        m.d.comb += [
            empty.eq(~value[width - step :].any()),
            moved.eq(Mux(empty, value << step, value)),
        ]
        value = moved
        counts.insert(0, empty)
    return Cat(*counts), value


def shifted_right(m: Module, value: Value, amount: Value, *, name: str) -> Value:
    """``value >> amount`` as wide as `value`; its lowest bit is set if any one was lost."""
    width = len(value)
    stages = (width - 1).bit_length()
    far = amount[stages:].any()  # as good as all stages: nothing but the lowest bit is left
    for stage in range(stages):
        step = 1 << stage
        moved = Signal(width, name=f"{name}_by{step}")
        kept = Cat(value[: step + 1].any(), value[step + 1 :])
        m.d.comb += moved.eq(Mux(amount[stage] | far, kept, value))
        value = moved
    return value
