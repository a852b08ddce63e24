"""Quantised tables as a matrix product: the form in which NumPy looks entries up fast.

A lookup with a sign is a product with a row that is zero but for one +-1, so all lookups of
an LMMA are one product of the stored tables ``[..., tables * entries]`` with such rows.
"""

from __future__ import annotations

import numpy as np

from ..hw.build_schedule import ternary_order
from ..hw.config import Config
from ..hw.table_quantiser import quantise_entries, table_shift

__all__ = ["digit_columns", "stored_tables", "table_digits"]


def table_digits(config: Config) -> np.ndarray:
    """Digits of each table entry, ``[entries, L]``, in the order of their indices."""
    if config.pe == "lut3":
        return np.array(ternary_order(config), np.int64)
    index = np.arange(1 << config.index_bits)[:, None]
    signs = np.ones((len(index), config.lookup_group), np.int64)
    signs[:, : config.index_bits] = 2 * (index >> np.arange(config.index_bits) & 1) - 1
    return signs


def stored_tables(x: np.ndarray, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Quantised tables and their shifts.

    Parameters
    ----------
    x : ndarray of integers, shape ``[..., k_block]``

    Returns
    -------
    tables : ndarray of int64, shape ``[..., tables * entries]``
    shift : ndarray of int64, shape ``[...]``
    """
    x = x.astype(np.int64)
    groups = x.reshape(*x.shape[:-1], config.tables, config.lookup_group)
    exact = groups @ table_digits(config).T
    shift = table_shift(x, config)
    return quantise_entries(exact, shift, config).reshape(*x.shape[:-1], -1), shift


def digit_columns(digits: np.ndarray, config: Config) -> np.ndarray:
    """Rows that look up the entries of digits ``[..., k_block]``.

    Returns
    -------
    ndarray of int8, shape ``[..., tables * entries]``
    """
    entries = table_digits(config)
    base = 3 ** np.arange(config.lookup_group)
    place = np.zeros(3**config.lookup_group, np.intp)
    sign = np.zeros(3**config.lookup_group, np.int8)
    for negative in (1, -1):  # the entry of all zeros, if there is one, is its own opposite
        codes = ((negative * entries + 1) * base).sum(1)
        place[codes], sign[codes] = np.arange(len(entries)), negative
    groups = digits.reshape(*digits.shape[:-1], config.tables, config.lookup_group)
    codes = ((groups.astype(np.int64) + 1) * base).sum(-1)
    columns = np.zeros((*codes.shape, len(entries)), np.int8)
    np.put_along_axis(columns, place[codes][..., None], sign[codes][..., None], -1)
    return columns.reshape(*digits.shape[:-1], -1)
