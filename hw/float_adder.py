"""Floating-point addition, combinational, rounded to nearest with ties to even."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .float_format import FloatFormat, shifted_right

__all__ = ["add_floats"]


def add_floats(m: Module, x: Value, y: Value, fmt: FloatFormat, *, name: str) -> Signal:
    """``x + y``, all of IEEE 754: subnormal numbers, infinities, NaN, both zeros.

    Bit for bit what NumPy adds in the format, except that a NaN is always ``fmt.nan``. An exact
    sum of zero is +0 unless both operands are -0. Nothing signals, there are no flags.

    One path: the operand of smaller magnitude is aligned to the other with three bits more than a
    significand (two, and one for whatever lies below), added or subtracted, moved up to its
    highest one (no further than the least exponent allows) and rounded.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    x, y : Value
        Bits of the operands, ``fmt.width`` each.
    name : str
        Prefix of all signals.
    """
    bits, frac = fmt.significand_bits, fmt.fraction_bits
    magnitude = fmt.width - 1
    swap, subtract = Signal(name=f"{name}_swap"), Signal(name=f"{name}_subtract")
    large = Signal(fmt.width, name=f"{name}_large")
    small = Signal(fmt.width, name=f"{name}_small")
    m.d.comb += [
        swap.eq(_less(m, x[:magnitude], y[:magnitude], name=f"{name}_less")),
        large.eq(Mux(swap, y, x)),
        small.eq(Mux(swap, x, y)),
        subtract.eq(x[-1] ^ y[-1]),
    ]
    e_large, e_small = fmt.exponent(large), fmt.exponent(small)
    one_large, one_small = e_large.any(), e_small.any()

    # A subnormal number has the exponent field 0 but the place values of 1.
    distance = Signal(fmt.exponent_bits, name=f"{name}_distance")
    m.d.comb += distance.eq(_sum_with_carry(e_large, ~e_small, ~(one_large ^ one_small)))
    lower = Cat(Const(0, 3), fmt.fraction(small), one_small)
    aligned = shifted_right(m, lower, distance, name=f"{name}_aligned")
    wide = bits + 3
    sums = Signal(wide + 1, name=f"{name}_sums")
    upper = Cat(Const(0, 3), fmt.fraction(large), one_large)
    m.d.comb += sums.eq(_sum_with_carry(upper, aligned ^ subtract.replicate(wide), subtract))
    total = Cat(sums[:-1], sums[-1] & ~subtract)

    # The top bit has twice the place value of the larger operand's first bit. A sum moves up until
    # its top bit is one, but not beyond the least exponent: then it is a subnormal number.
    normal, room = _raised(m, total, e_large | ~one_large, name=f"{name}_up")
    kept, guard, below = normal[4:-1], normal[3], normal[:3].any()
    # The exponent field is one more than the room that is left, or 0 without a one on top; so
    # the top bit is added to the field's place, and the rounding to the fraction's.
    field = room & normal[-1].replicate(len(room))
    up = guard & (below | kept[0])
    rounded = Signal(magnitude + 1, name=f"{name}_rounded")
    m.d.comb += rounded.eq(Cat(kept, field) + Cat(up, Const(0, frac - 1), normal[-1]))

    special = e_large == fmt.special
    infinite = special | (rounded[frac:] >= fmt.special)
    nan = special & (fmt.fraction(large).any() | (subtract & (e_small == fmt.special)))
    out = Signal(fmt.width, name=name)
    cancelled = subtract & ~normal[4:].any()
    m.d.comb += out.eq(
        Cat(
            rounded[: frac - 1] & ~infinite.replicate(frac - 1),
            Mux(infinite, nan, rounded[frac - 1]),
            rounded[frac:magnitude] | infinite.replicate(fmt.exponent_bits),
            large[-1] & ~cancelled & ~nan,
        )
    )
    return out


def _sum_with_carry(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry``, one bit wider, as a single adder."""
    return (Cat(Const(1, 1), a) + Cat(carry, b))[1:]


def _less(m: Module, x: Value, y: Value, *, name: str) -> Value:
    """``x < y`` as a chain of carries only: a comparison would be mapped to whole adders."""
    less: Value = Const(0, 1)
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        further = Signal(name=f"{name}{i}")
        m.d.comb += further.eq((b & ~a) | ((b | ~a) & less))
        less = further
    return less


def _raised(m: Module, value: Value, room: Value, *, name: str) -> tuple[Value, Value]:
    """`value` moved up by its leading zeros or by `room`, whichever is less; `room` after that."""
    width = len(value)
    stages = (width - 1).bit_length()
    moves = [Signal(name=f"{name}_move{1 << stage}") for stage in range(stages)]
    # Whether what is left of `room` is a stage's step or more, without subtracting: a rest in its
    # higher bits is at least two steps, and stays at least one.
    rest = room[stages:].any()
    for stage in reversed(range(stages)):
        step = 1 << stage
        moved = Signal(width, name=f"{name}_by{step}")
        # A sum moves by more than two only if the operands were at most one place apart: then its
        # two lowest bits are 0, and may as well stay where they are.
        still = 2 if step > 2 else 0
        shifted = Cat(value[:still], Const(0, step), value[still : width - step])
        after = Signal(name=f"{name}_rest{step}")
        m.d.comb += [
            moves[stage].eq(~value[width - step :].any() & (rest | room[stage])),
            moved.eq(Mux(moves[stage], shifted, value)),
            after.eq(rest | (room[stage] & ~moves[stage])),
        ]
        value, rest = moved, after
    left = Signal(len(room), name=f"{name}_left")
    m.d.comb += left.eq(room - Cat(*moves))
    return value, left
