"""Floating-point multiplication, combinational, rounded to nearest with ties to even."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from .float_format import FloatFormat, leading_zeros, shifted_right

__all__ = ["multiply_floats"]


def multiply_floats(m: Module, x: Value, y: Value, fmt: FloatFormat, *, name: str) -> Signal:
    """``x * y``, all of IEEE 754: subnormal numbers, infinities, NaN, both zeros.

    Bit for bit what NumPy multiplies in the format, except that a NaN is always ``fmt.nan``.

    Only one operand is ever normalised, the one that is subnormal: the product of two subnormal
    numbers is less than half the smallest one, whatever its digits. A product below the normal
    range is moved down to the least exponent's place before it is rounded, once.
    """
    bits, frac = fmt.significand_bits, fmt.fraction_bits
    ex, ey = fmt.exponent(x), fmt.exponent(y)
    one_x, one_y = ex.any(), ey.any()
    # `other` is normal unless both are subnormal; `least` is the one that may be.
    least = Mux(one_x, Cat(fmt.fraction(y), one_y), Cat(fmt.fraction(x), one_x))
    other = Mux(one_x, Cat(fmt.fraction(x), one_x), Cat(fmt.fraction(y), one_y))
    operand = Signal(bits, name=f"{name}_operand")
    m.d.comb += operand.eq(least)
    zeros, moved = leading_zeros(m, operand, name=f"{name}_zeros")
    product = Signal(2 * bits, name=f"{name}_product")
    m.d.comb += product.eq(moved * other)

    # `room` is how far the exponent of the product's top bit lies above the least one. Below 0 the
    # product moves down to the least exponent's place, from 1 on up by one if its top bit is 0.
    room = Signal(signed(fmt.exponent_bits + 2), name=f"{name}_room")
    m.d.comb += room.eq((ex | ~one_x) + (ey | ~one_y) - zeros - fmt.bias)
    low = room[-1]
    wide = bits + 3
    lost = 2 * bits - wide + 1
    top = Cat(product[:lost].any(), product[lost:])
    placed = shifted_right(m, top, -room & low.replicate(len(room)), name=f"{name}_down")
    up_one = Signal(name=f"{name}_up_one")
    normal = Signal(wide, name=f"{name}_normal")
    m.d.comb += [
        up_one.eq(~placed[-1] & ~low & room.any()),
        normal.eq(Mux(up_one, placed << 1, placed)),
    ]
    # The exponent field is `room`, and one more for a top bit that needed no move; 0 without one.
    kept, guard, below = normal[3:-1], normal[2], normal[:2].any()
    field = room[:-1] & normal[-1].replicate(fmt.exponent_bits + 1)
    up = guard & (below | kept[0])
    magnitude = fmt.width - 1
    rounded = Signal(magnitude + 1, name=f"{name}_rounded")
    m.d.comb += rounded.eq(Cat(kept, field) + Cat(up, Const(0, frac - 1), placed[-1]))

    special_x, special_y = ex == fmt.special, ey == fmt.special
    nan = (
        (special_x & (fmt.fraction(x).any() | ~y[:magnitude].any()))
        | (special_y & (fmt.fraction(y).any() | ~x[:magnitude].any()))
    )  # fmt: skip
    infinite = special_x | special_y | (rounded[frac:] >= fmt.special)
    out = Signal(fmt.width, name=name)
    m.d.comb += out.eq(
        Cat(
            rounded[: frac - 1] & ~infinite.replicate(frac - 1),
            Mux(infinite, nan, rounded[frac - 1]),
            rounded[frac:magnitude] | infinite.replicate(fmt.exponent_bits),
            (x[-1] ^ y[-1]) & ~nan,
        )
    )
    return out
