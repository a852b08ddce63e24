"""Variants of the elements without tables that exist for a fair comparison only."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed

from ...hw.adder_tree import add_tree
from ...hw.config import Config
from ...hw.direct_array import DirectArray
from ...hw.operand_banks import OperandBanks
from ...hw.processing_element import ProcessingElement, create_processing_element, delayed_rows

__all__ = ["VARIANTS", "BoothArray", "LeanDirectArray", "create_element", "variants_of"]

#: ``lean``: products without a register behind each. ``booth``: `BoothArray`.
VARIANTS = ("", "lean", "booth")


def variants_of(config: Config) -> tuple[str, ...]:
    """Variants that an element of this configuration has."""
    if config.pe == "mac":
        return VARIANTS if config.digit_bits > 1 else VARIANTS[:2]
    return VARIANTS[:2] if config.pe == "shiftadd" else ("",)


def create_element(config: Config, variant: str) -> ProcessingElement:
    """The element of a point."""
    if variant and variant not in variants_of(config):
        raise ValueError(f"variant must be one of {variants_of(config)}, not {variant!r}")
    if variant == "booth":
        return BoothArray(config)
    return LeanDirectArray(config) if variant else create_processing_element(config)


class LeanDirectArray(DirectArray):
    """`mac` and `shiftadd` without the register behind every product: one cycle less latency."""

    registered_products = False

    @property
    def latency(self) -> int:
        return super().latency - 1


class BoothArray(DirectArray):
    """`mac` by hand: radix-4 Booth digits, whose negations cost a carry input of the tree each.

    A signed digit of b bits is ``sum_i 4**i e_i`` with e_i in -2 .. 2. For each i one tree adds up
    ``(0, x or 2x) ^ minus`` over all inputs, ``minus`` entering the adders as carries, so that no
    partial product is ever added by itself; the trees are put together at their roots.

    Latency: one cycle less than `mac`; the tree's registers are at its root only.

    Method: Booth 1951, MacSorley 1961.
    """

    @property
    def latency(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.banks = banks = OperandBanks(c)
        banks.serve(m, self)
        inputs = [banks.elements(row) for row in range(c.rows)]
        for lane in range(c.lanes):
            at = lane * c.k_block * c.digit_bits
            digits = [self.weights[at + k * c.digit_bits :][: c.digit_bits]
                      for k in range(c.k_block)]  # fmt: skip
            recoded = [_booth_digits(digit) for digit in digits]
            for row, xs in enumerate(inputs):
                trees = []
                for place in range(len(recoded[0])):
                    leaves, carries = [], []
                    for x, parts in zip(xs, recoded, strict=True):
                        one, two, minus = parts[place]
                        wide = c.act_bits + 1
                        chosen = (x.as_signed() & one.replicate(wide).as_signed()) | (
                            (x << 1) & two.replicate(wide).as_signed()
                        )
                        flipped = chosen.as_unsigned()[:wide] ^ minus.replicate(wide)
                        leaves.append(flipped.as_signed())
                        carries.append(minus)
                    trees.append(_carried_tree(m, leaves, carries) << 2 * place)
                self._register(m, add_tree(trees), row * c.lanes + lane)
        rows = delayed_rows(m, c, banks.rows, self.latency)
        m.d.comb += self.rows.eq(rows)
        return m

    def _register(self, m: Module, total: Value, place: int) -> None:
        root = Signal(signed(self._config.sum_bits), name=f"root_{place}", reset_less=True)
        m.d.sync += root.eq(total)
        m.d.comb += self.sums[place].eq(root)


def _booth_digits(digit: Value) -> list[tuple[Value, Value, Value]]:
    """(one, two, minus) of every radix-4 digit, the lowest first."""
    bits = [digit[i] if i < len(digit) else digit[-1] for i in range(-(-len(digit) // 2) * 2)]
    below: Value | None = None
    found = []
    for low, high in zip(bits[::2], bits[1::2], strict=True):
        if below is None:
            found.append((low, high & ~low, high))
        else:
            found.append((low ^ below, (high & ~low & ~below) | (~high & low & below), high))
        below = high
    return found


def _carried_tree(m: Module, leaves: Sequence[Value], carries: Sequence[Value]) -> Value:
    """Sum of the leaves and of one carry a leaf, every adder taking the carry of its right side."""
    level = list(zip(leaves, carries, strict=True))
    while len(level) > 1:
        pairs = []
        for (a, carry), (b, right) in zip(level[::2], level[1::2], strict=False):
            node = Signal(signed(max(len(a), len(b)) + 1))
            m.d.comb += node.eq(a + b + right)
            pairs.append((node, carry))
        level = pairs + level[2 * len(pairs) :]
    root, carry = level[0]
    return root + carry
