"""Lookups in float16 tables: what the float16 multipliers are compared with."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib.wiring import Component, connect, flipped

from .cell_tables import OneHot
from .float16_shape import Float16Shape, array_ports, float_tree, tree_sum
from .float16_table import float_table
from .float16_tables import Float16Tables
from .float_exact import widen_float
from .float_format import FLOAT16

__all__ = ["Float16LookupArray", "float16_lookup"]


def float16_lookup(
    x: np.ndarray, bits: np.ndarray, before: np.ndarray, lookup_group: int
) -> np.ndarray:
    """Sums of the lookup array for one K block.

    Parameters
    ----------
    x : ndarray of float16, shape ``[rows, k_block]``
    bits : ndarray of {0, 1}, shape ``[lanes, k_block]``
        1 adds an activation, 0 subtracts it.
    before : ndarray of float16 or float32, shape ``[rows, lanes]``

    Returns
    -------
    ndarray of the type of `before`, shape ``[rows, lanes]``
    """
    tables = float_table(x.reshape(len(x), 1, -1, lookup_group))
    index, sign = _stored(bits.reshape(len(bits), -1, lookup_group))
    index = np.broadcast_to(index, (len(x), *index.shape))[..., None]
    entries = np.take_along_axis(np.broadcast_to(tables, (*index.shape[:-1], tables.shape[-1])),
                                 index, -1)[..., 0]  # fmt: skip
    return tree_sum(np.where(sign == 1, -entries, entries), before)


class Float16LookupArray(Component):
    """M rows, N lanes and U tables of float16 sums a row, one lookup each a cycle.

    A lookup reads an entry and flips its sign bit where the sign is set; entries go through
    float adders (`float16_shape.float_tree`) and onto the sum before. With weights -1 and +1 that
    is what `float16_mac_array.Float16MacArray` of the same shape computes, in the same order of
    additions if `lookup_group` is a power of two: then at most the sign of a zero differs.

    Method: LUT Tensor Core (Mo et al., ISCA 2025): half a table, signs and index bits prepared
    offline, a table shared by all lanes. Its dot-product unit of four elements is one lane and
    one table.

    Latency: `latency` cycles from `weights` to `sums`; one word a cycle. Tables: `Float16Tables`.

    Attributes
    ----------
    x, built, advance
        As `Float16Tables`.
    weights : In(lanes * k_block)
        ``[lane][table]`` fields of `lookup_group` bits: index, and on top the sign.
    before : In
        ``[row][lane]`` sums to add to, taken ``latency - 1`` cycles after `weights`.
    sums : Out
        ``[row][lane]``.
    """

    def __init__(self, shape: Float16Shape) -> None:
        self._shape = s = shape
        super().__init__(array_ports(s, s.lanes * s.k_block))

    @property
    def latency(self) -> int:
        """Cycles from weights to sums."""
        return self._shape.latency(self._shape.tables)

    @staticmethod
    def weight_bits(bits: np.ndarray, lookup_group: int) -> np.ndarray:
        """`weights` for bits ``[lanes, k_block]`` (see `float16_lookup`), one element a bit."""
        index, sign = _stored(bits.reshape(len(bits), -1, lookup_group))
        fields = [index >> j & 1 for j in range(lookup_group - 1)]
        return np.stack([*fields, sign], -1).astype(np.uint8).ravel()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s, group = self._shape, self._shape.lookup_group
        m.submodules.tables = tables = Float16Tables(s)
        connect(m, flipped(self.x), tables.x)
        m.d.comb += [self.built.eq(tables.built), tables.advance.eq(self.advance)]
        count = 1 << group - 1
        lookups = s.lanes * s.tables
        m.submodules.one_hot = one_hot = OneHot(lookups, group - 1, count)
        fields = [self.weights[i * group : (i + 1) * group] for i in range(lookups)]
        for index, field in zip(one_hot.index, fields, strict=True):
            m.d.comb += index.eq(field[:-1])
        for row in range(s.rows):
            for lane in range(s.lanes):
                place = row * s.lanes + lane
                leaves: list[Value] = []
                for table in range(s.tables):
                    at = (row * s.tables + table) * count
                    hot = one_hot.hot[lane * s.tables + table]
                    entry = reduce(or_, (tables.entries[at + i] & hot[i].replicate(16)
                                         for i in range(count)))  # fmt: skip
                    leaf: Value = entry ^ (fields[lane * s.tables + table][-1] << 15)
                    if s.sum_bits == 32:
                        leaf = widen_float(
                            m, leaf, FLOAT16, s.sums, name=f"wide{row}_{lane}_{table}"
                        )
                    leaves.append(leaf)
                total = float_tree(m, leaves, self.before[place], s, name=f"tree{row}_{lane}")
                m.d.comb += self.sums[place].eq(total)
        return m


def _stored(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index and sign of lookup groups ``[..., L]``: the sign is not passed down the tree here."""
    sign = 1 - bits[..., -1].astype(np.int64)
    places = 1 << np.arange(bits.shape[-1] - 1)
    return ((bits[..., :-1] ^ sign[..., None]) * places).sum(-1), sign
