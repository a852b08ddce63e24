"""Lookup tables and the offline remap of the weights: the number format both sides share.

For a lookup group of ``L`` activations ``x_0 .. x_{L-1}`` and plane bits ``b_0 .. b_{L-1}``
(1 means +1, 0 means -1) the sum wanted is ``sum_i (2 b_i - 1) x_i``. Inverting every bit only
changes its sign, so that half a table suffices: with the sign ``s = 1 - b_{L-1}`` and the index
bits ``i_j = b_j ^ s`` for ``j < L-1``,

    T[i] = x_{L-1} + sum_j (+x_j if i_j else -x_j),        sum = -T[i] if s else T[i].

The host computes index and sign offline; the hardware reads ``T[i]`` and adds or subtracts.

The signs travel down the adder tree. The tree pairs adjacent nodes level by level (an odd last
node passes through), and a node whose left operand has sign ``s_l`` and right operand ``s_r``
computes ``left + right`` or ``left - right`` by the bit ``s_l ^ s_r`` and hands ``s_l`` on. The
leftmost leaf of a node's right operand is table ``u``, that of its left one ``u & (u - 1)``:
so the stored bit of table ``u > 0`` is ``s_u ^ s_{u & (u - 1)}``, and that of table 0 is the sign
of the whole sum, ``s_0``.

References
----------
Mo, Z. et al. (2024), "LUT Tensor Core: Lookup Table Enables Efficient Low-Bit LLM Inference
Acceleration", arXiv:2408.06003 (symmetrised tables, offline index remap).
Wei, J. et al. (2024), "T-MAC: CPU Renaissance via Table Lookup for Low-Bit LLM Deployment on
Edge", arXiv:2407.00088 (bit-plane tables of four activations).
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "build_table",
    "decode_bits",
    "decode_groups",
    "decode_signs",
    "encode_bits",
    "encode_groups",
    "encode_signs",
    "gray_order",
    "lookup",
    "sign_parent",
]


def gray_order(lookup_group: int) -> np.ndarray:
    """Indices in the order in which the entries are built, shape ``[2**(L-1)]``.

    Step ``k`` visits the index ``~gray(k)``: the first is all ones, whose entry is the plain sum
    of the activations, and each differs from the one before in a single bit, so that
    an entry costs one addition of ``+-2 x_j``.
    """
    _check_group(lookup_group)
    k = np.arange(1 << lookup_group - 1)
    return (k ^ k >> 1) ^ (1 << lookup_group - 1) - 1


def build_table(x: np.ndarray) -> np.ndarray:
    """Table of each lookup group.

    Parameters
    ----------
    x : ndarray of integers, shape ``[..., L]``

    Returns
    -------
    ndarray of int64, shape ``[..., 2**(L-1)]``
    """
    x = np.asarray(x)
    lookup_group = x.shape[-1]
    _check_group(lookup_group)
    index = np.arange(1 << lookup_group - 1)[:, None]
    signs = np.ones((len(index), lookup_group), np.int64)
    signs[:, :-1] = 2 * (index >> np.arange(lookup_group - 1) & 1) - 1
    return x.astype(np.int64) @ signs.T


def sign_parent(tables: int) -> np.ndarray:
    """Table whose sign that of each table is stored relative to: ``u & (u - 1)``."""
    u = np.arange(tables)
    return u & np.maximum(u - 1, 0)


def encode_groups(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index and stored sign of each table.

    Parameters
    ----------
    bits : ndarray of {0, 1}, shape ``[..., tables, L]``
        Plane bits.

    Returns
    -------
    index : ndarray of uint16, shape ``[..., tables]``
    sign : ndarray of uint8, shape ``[..., tables]``
        The adder tree's add/subtract bits, the sign of the sum for table 0.
    """
    stored = encode_bits(bits)
    weights = (1 << np.arange(stored.shape[-1] - 1)).astype(np.uint16)
    return (stored[..., :-1] * weights).sum(-1, dtype=np.uint16), stored[..., -1]


def decode_groups(index: np.ndarray, sign: np.ndarray, lookup_group: int) -> np.ndarray:
    """Plane bits of shape ``[..., tables, L]``: the inverse of `encode_groups`."""
    _check_group(lookup_group)
    low = np.asarray(index)[..., None] >> np.arange(lookup_group - 1) & 1
    stored = np.concatenate([low, np.asarray(sign)[..., None]], -1)
    return decode_bits(stored.astype(np.uint8))


def encode_bits(bits: np.ndarray) -> np.ndarray:
    """The bits as they are stored: index bits, then the stored sign, for every table.

    Parameters
    ----------
    bits : ndarray of uint8 {0, 1}, shape ``[..., tables, L]``
        Plane bits.

    Returns
    -------
    ndarray of uint8, shape ``[..., tables, L]``
        In memory order: bit ``j < L-1`` is index bit ``j``, bit ``L-1`` the stored sign.
    """
    bits = np.asarray(bits)
    _check_group(bits.shape[-1])
    sign = bits[..., -1:] ^ 1
    stored = bits ^ sign
    stored[..., -1] = encode_signs(sign[..., 0])
    return stored


def encode_signs(sign: np.ndarray) -> np.ndarray:
    """Signs of the leaves ``[..., tables]`` as the tree's add/subtract bits, see the top."""
    sign = np.array(sign)
    # From the leaves up: at level l only odd multiples of 2**l change, and what they are
    # combined with is still as it was.
    step = 1
    while step < sign.shape[-1]:
        right = sign[..., step :: 2 * step]
        right ^= sign[..., :: 2 * step][..., : right.shape[-1]]
        step *= 2
    return sign


def decode_bits(stored: np.ndarray) -> np.ndarray:
    """Plane bits of stored bits: the inverse of `encode_bits`."""
    stored = np.asarray(stored)
    _check_group(stored.shape[-1])
    sign = decode_signs(stored[..., -1])
    bits = stored ^ sign[..., None]
    bits[..., -1] = sign ^ 1
    return bits


def decode_signs(stored: np.ndarray) -> np.ndarray:
    """Signs of the leaves ``[..., tables]``: the inverse of `encode_signs`."""
    sign = np.array(stored)
    step = 1 << max(sign.shape[-1] - 1, 0).bit_length()
    while step > 1:
        step //= 2
        right = sign[..., step :: 2 * step]
        right ^= sign[..., :: 2 * step][..., : right.shape[-1]]
    return sign


def lookup(table: np.ndarray, index: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Sum over all tables, read and added as the hardware does it.

    Parameters
    ----------
    table : ndarray of int64, shape ``[..., tables, 2**(L-1)]``
    index, sign : ndarray, shape ``[..., tables]``
        As `encode_groups` returns them; leading axes broadcast against those of `table`.

    Returns
    -------
    ndarray of int64, shape ``[...]``
    """
    index = np.asarray(index)
    lead = np.broadcast_shapes(table.shape[:-1], index.shape)
    entries = np.take_along_axis(
        np.broadcast_to(table, lead + table.shape[-1:]),
        np.broadcast_to(index, lead)[..., None].astype(np.intp),
        -1,
    )[..., 0]
    subtract = np.broadcast_to(np.asarray(sign), lead).astype(bool)
    nodes, bits = entries, subtract
    while nodes.shape[-1] > 1:
        pairs = nodes.shape[-1] // 2
        left, right = nodes[..., 0 : 2 * pairs : 2], nodes[..., 1 : 2 * pairs : 2]
        added = np.where(bits[..., 1 : 2 * pairs : 2], left - right, left + right)
        nodes = np.concatenate([added, nodes[..., 2 * pairs :]], -1)
        bits = bits[..., ::2]
    return np.where(bits[..., 0], -nodes[..., 0], nodes[..., 0])


def _check_group(lookup_group: int) -> None:
    if lookup_group < 2:
        raise ValueError(f"lookup_group must be at least 2, not {lookup_group!r}")
