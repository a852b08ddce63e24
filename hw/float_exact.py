"""Conversions and products of floating-point numbers in a format wide enough to be exact."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .float_format import FloatFormat, leading_zeros

__all__ = ["multiply_exactly", "widen_float"]


def widen_float(m: Module, x: Value, fmt: FloatFormat, wide: FloatFormat, *, name: str) -> Signal:
    """`x` in a wider format, in which its subnormal numbers are normal; NaN becomes `wide.nan`."""
    significand, zeros, field = _normalised(m, x, fmt, name=name)
    special = fmt.exponent(x) == fmt.special
    zero = ~significand[-1]
    offset = wide.bias - fmt.bias
    exponent = Signal(wide.exponent_bits, name=f"{name}_exponent")
    m.d.comb += exponent.eq(Mux(special, wide.special, Mux(zero, 0, field + offset - zeros)))
    nan = special & fmt.fraction(x).any()
    fraction = Cat(Const(0, wide.fraction_bits - fmt.fraction_bits), significand[:-1])
    out = Signal(wide.width, name=name)
    m.d.comb += out.eq(Mux(nan, wide.nan, Cat(fraction, exponent, x[-1])))
    return out


def multiply_exactly(
    m: Module, x: Value, y: Value, fmt: FloatFormat, wide: FloatFormat, *, name: str
) -> Signal:
    """``x * y`` of two numbers in `fmt`, in a format that holds every such product: no rounding.

    float16 into float32: 22 bits of 24, exponents from -48 to 31. A NaN is ``wide.nan``.
    """
    sx, zx, ex = _normalised(m, x, fmt, name=f"{name}_x")
    sy, zy, ey = _normalised(m, y, fmt, name=f"{name}_y")
    special = [fmt.exponent(v) == fmt.special for v in (x, y)]
    zero = ~(sx[-1] & sy[-1])
    product = Signal(2 * fmt.significand_bits, name=f"{name}_product")
    m.d.comb += product.eq(sx * sy)
    offset = wide.bias - 2 * fmt.bias
    exponent = Signal(wide.exponent_bits, name=f"{name}_exponent")
    m.d.comb += exponent.eq(ex + ey + product[-1] + offset - zx - zy)
    digits = Mux(product[-1], product[:-1], product[:-1] << 1)[: len(product) - 1]
    nan = (special[0] | special[1]) & zero
    for v, is_special in zip((x, y), special, strict=True):
        nan |= is_special & fmt.fraction(v).any()
    infinite = special[0] | special[1]
    fraction = Cat(Const(0, wide.fraction_bits - len(digits)), digits)
    magnitude = Mux(infinite, wide.infinity, Mux(zero, 0, Cat(fraction, exponent)))
    out = Signal(wide.width, name=name)
    m.d.comb += out.eq(Mux(nan, wide.nan, Cat(magnitude[: wide.width - 1], x[-1] ^ y[-1])))
    return out


def _normalised(m: Module, x: Value, fmt: FloatFormat, *, name: str) -> tuple[Value, Value, Value]:
    """Significand with a one on top (unless x is 0), places it was moved up by, exponent field."""
    one = fmt.exponent(x).any()
    significand = Signal(fmt.significand_bits, name=f"{name}_significand")
    m.d.comb += significand.eq(Cat(fmt.fraction(x), one))
    zeros, moved = leading_zeros(m, significand, name=f"{name}_zeros")
    return moved, zeros, fmt.exponent(x) | ~one
