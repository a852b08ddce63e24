"""Float16 multipliers and adders: the competitor of lookups in float16 tables."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component

from .float16_shape import Float16Shape, array_ports, float_tree, tree_sum
from .float_exact import multiply_exactly
from .float_format import FLOAT16
from .float_multiplier import multiply_floats

__all__ = ["Float16MacArray", "float16_mac"]


def float16_mac(x: np.ndarray, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Sums of the multiplying array for one K block.

    Parameters
    ----------
    x : ndarray of float16, shape ``[rows, k_block]``
    weights : ndarray of float16, shape ``[lanes, k_block]``
    before : ndarray of float16 or float32, shape ``[rows, lanes]``
        Products are rounded to its type (to float32 they are exact), and so are all sums.

    Returns
    -------
    ndarray of the type of `before`, shape ``[rows, lanes]``
    """
    kind = before.dtype
    with np.errstate(over="ignore", invalid="ignore"):
        products = x[:, None].astype(kind) * weights[None].astype(kind)
    return tree_sum(products, before)


class Float16MacArray(Component):
    """M rows and N lanes of k_block float16 multipliers and as many adders.

    A lane multiplies, adds the products in a tree (`float16_shape.float_tree`) and onto the sum
    before: for ``k_block = 4`` the dot-product unit of four elements that LUT Tensor Core (Mo et
    al., ISCA 2025) compares with. Activations are held in one set of registers.

    Latency: `latency` cycles from `weights` to `sums`; one word a cycle.

    Attributes
    ----------
    x : In(stream of 16 * rows * k_block bits)
        ``[k_block][rows]`` activations, taken with `advance`.
    built : Out(1)
        There are activations to advance to.
    advance : In(1)
        Use them from the next cycle on. Only while `built`.
    weights : In(16 * lanes * k_block)
        ``[lane][k_block]``.
    before : In
        ``[row][lane]`` sums to add to, taken ``latency - 1`` cycles after `weights`.
    sums : Out
        ``[row][lane]``.
    """

    def __init__(self, shape: Float16Shape) -> None:
        self._shape = s = shape
        super().__init__(array_ports(s, data.ArrayLayout(16, s.lanes * s.k_block)))

    @property
    def latency(self) -> int:
        """Cycles from weights to sums."""
        return self._shape.latency(self._shape.k_block)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s = self._shape
        held = Signal(data.ArrayLayout(16, s.rows * s.k_block), reset_less=True)
        m.d.comb += [self.built.eq(self.x.valid), self.x.ready.eq(self.advance)]
        with m.If(self.advance):
            m.d.sync += held.eq(self.x.payload)
        for row in range(s.rows):
            for lane in range(s.lanes):
                place = row * s.lanes + lane
                leaves = [
                    self._product(m, held[k * s.rows + row], self.weights[lane * s.k_block + k],
                                  name=f"product{row}_{lane}_{k}")
                    for k in range(s.k_block)
                ]  # fmt: skip
                total = float_tree(m, leaves, self.before[place], s, name=f"tree{row}_{lane}")
                m.d.comb += self.sums[place].eq(total)
        return m

    def _product(self, m: Module, x: Value, weight: Value, *, name: str) -> Value:
        if self._shape.sum_bits == 16:
            return multiply_floats(m, x, weight, FLOAT16, name=name)
        return multiply_exactly(m, x, weight, FLOAT16, self._shape.sums, name=name)
