"""Several digits times one activation in a single multiplier."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Value

from .config import Config
from .devices import device_of

__all__ = ["lanes_of_a_multiplier", "shared_products"]


def lanes_of_a_multiplier(config: Config) -> int:
    """How many lanes of a `mac` array share a multiplier block of its device: 1 or more.

    Digits of D bits lie a product of ``B = act_bits + D`` bits apart in the block's wider operand
    of P bits: ``1 + (P - D) // B``. One-bit digits need no multiplier.
    """
    bits = device_of(config).multiplier_bits
    digit = config.digit_bits
    if config.pe != "mac" or digit == 1 or bits < digit:
        return 1
    return min(config.lanes, 1 + (bits - digit) // (config.act_bits + digit))


def shared_products(x: Value, digits: Sequence[Value]) -> list[Value]:
    """``x * d`` for each two's complement digit `d`, with one multiplication.

    With ``r_i = x d_i`` and B bits enough for each and for one less,

        x * sum_i d_i 2**(B i) = sum_i r_i 2**(B i)

    whose part of B bits at ``B i`` is r_i, or one less where what lies below is negative: its
    highest bit, just under the part, is added. Two products cost one adder beside the multiplier.

    Method: packing of small products into one DSP block, as in Fu et al. 2016 (Xilinx WP486).
    """
    bits = len(x) + len(digits[0])
    operand: Value = digits[-1].as_signed()
    for digit in reversed(digits[:-1]):
        operand = (operand << bits) + digit.as_signed()
    product = x * operand
    if len(digits) == 1:
        return [product]
    parts = []
    for i in range(len(digits)):
        part = product[bits * i : bits * (i + 1)].as_signed()
        parts.append(part + Cat(product[bits * i - 1]) if i else part)
    return parts
