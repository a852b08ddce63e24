"""Quantised tables: entries stored in fewer bits, with one power-of-two scale a table set.

With A-bit activations an exact entry takes ``A + ceil(log2 L)`` bits. Storing it in t bits makes
the tables, and the adder trees behind them, smaller (LUT Tensor Core, Mo et al. 2024: 8 bits). The
scale is shared by all tables of a row and K block, so that their entries can be added. It
follows from the activations alone, before any entry is known: if they all fit m bits signed,

    shift = max(0, m + ceil(log2 L) - t)
    stored = min((entry + 2**(shift - 1)) >> shift, 2**(t - 1) - 1)       (no rounding for shift 0)

and the plane sums are shifted back by `shift` before the zero point is taken off. The sum of the
activations stays exact. The error of an entry is at most ``2**(shift - 1)``, one more where it
saturates.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from .config import Config, bits_for

__all__ = [
    "block_shift",
    "quantise_entries",
    "quantised",
    "quantised_plane_sum",
    "table_shift",
]


def table_shift(x: np.ndarray, config: Config) -> np.ndarray:
    """Shift of each K block: activations ``[..., k_block]`` to int64 ``[...]``."""
    x = np.asarray(x, np.int64)
    widest = np.where(x < 0, ~x, x).max(-1)
    bits = np.frexp(widest.astype(np.float64))[1] + 1
    return np.maximum(0, bits + bits_for(config.lookup_group) - config.stored_entry_bits)


def quantise_entries(entries: np.ndarray, shift: np.ndarray, config: Config) -> np.ndarray:
    """Stored entries of exact ones ``[..., tables, entries]``, `shift` ``[...]``."""
    shift = np.asarray(shift)[..., None, None]
    rounded = (entries + ((1 << shift) >> 1)) >> shift
    return np.minimum(rounded, (1 << config.stored_entry_bits - 1) - 1)


def quantised_plane_sum(x: np.ndarray, digits: np.ndarray, config: Config) -> np.ndarray:
    """Plane sums from quantised tables, still to be shifted left by `table_shift`.

    Parameters
    ----------
    x : ndarray of integers, shape ``[..., k_block]``
        Activations of a row.
    digits : ndarray of integers, shape ``[..., k_block]``
        Digits of a lane (`hw.digits`); leading axes broadcast against those of `x`.

    Returns
    -------
    ndarray of int64, shape ``[...]``
    """
    groups = (*digits.shape[:-1], config.tables, config.lookup_group)
    d = np.asarray(digits, np.int64).reshape(groups)
    # Only entries whose highest digit that is not zero is +1 are stored; the rest are negated.
    sign = np.ones(d.shape[:-1], np.int64)
    for i in range(config.lookup_group):
        sign = np.where(d[..., i] != 0, d[..., i], sign)
    x = np.asarray(x, np.int64)
    exact = (x.reshape(*x.shape[:-1], config.tables, config.lookup_group) * d).sum(-1) * sign
    stored = quantise_entries(exact[..., None], table_shift(x, config), config)[..., 0]
    return (stored * sign).sum(-1)


def block_shift(m: Module, elements: list[Value], config: Config, *, name: str) -> Value:
    """Gateware of `table_shift` for the activations of one row."""
    used = Signal(config.act_bits - 1, name=f"{name}_used")
    folded = [(x ^ x[-1].replicate(len(x)))[: config.act_bits - 1] for x in elements]
    any_of = folded[0]
    for bits in folded[1:]:
        any_of = any_of | bits
    m.d.comb += used.eq(any_of)
    shift: Value = Const(0, bits_for(config.max_table_shift + 1))
    for magnitude in range(1, config.act_bits):
        needed = magnitude + 1 + bits_for(config.lookup_group) - config.stored_entry_bits
        if needed > 0:
            shift = Mux(used[magnitude - 1], needed, shift)
    return shift


def quantised(m: Module, entry: Value, shift: Value, config: Config, *, name: str) -> Value:
    """Gateware of `quantise_entries` for one entry."""
    half = Signal(config.max_table_shift, name=f"{name}_half")
    rounded = Signal(signed(config.entry_bits + 1), name=f"{name}_rounded")
    most = (1 << config.stored_entry_bits - 1) - 1
    m.d.comb += [half.eq((1 << shift) >> 1), rounded.eq((entry + half) >> shift)]
    return Mux(rounded > most, most, rounded)
