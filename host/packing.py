"""Weights, group parameters and activations as memory images, and outputs back as matrices.

The layouts are those of docs/architecture.md. Everything is vectorised, and weights are packed
in slabs, so that the working memory stays small beside the codes themselves.
"""

from __future__ import annotations

import numpy as np

from ..hw.digits import encode_digits
from .matrix_layout import MatrixLayout
from .quantized_matrix import QuantizedMatrix

__all__ = ["pack_activations", "pack_groups", "pack_weights", "pad_groups", "unpack_outputs"]

#: Codes that are packed at a time: the temporaries of one slab fit a second-level cache.
_SLAB = 1 << 18


def pack_weights(weights: QuantizedMatrix, layout: MatrixLayout) -> np.ndarray:
    """Weight image ``[K block][output block][plane]``, most significant plane first.

    Every code becomes one digit a plane (`MatrixLayout.lowering`), and the digits of a word are
    stored as its processing element reads them (`hw.digits.encode_digits`). Outputs beyond N repeat
    the last one, so that they cannot overflow where it does not; inputs beyond K (and those that
    fill up a group) meet activations of zero, so their bits do not matter.

    Parameters
    ----------
    weights : QuantizedMatrix
    layout : MatrixLayout
        ``MatrixLayout.of(weights, config)``.

    Returns
    -------
    ndarray of uint8, shape ``[weight_bytes]``
    """
    c = layout.config
    word_bytes = c.memory_word_bits(c.weight_word_bits) // 8
    used = -(-c.weight_word_bits // 8)
    planes = layout.planes
    image = np.zeros((layout.k_blocks, layout.n_blocks, planes, word_bytes), np.uint8)
    step = max(1, _SLAB // (layout.k_blocks * c.k_block * c.lanes))
    for first in range(0, layout.n_blocks, step):
        last = min(first + step, layout.n_blocks)
        rows = np.minimum(np.arange(first * c.lanes, last * c.lanes), layout.n - 1)
        codes = pad_groups(weights.codes[rows], layout)
        codes = codes.reshape(last - first, c.lanes, layout.k_blocks, c.k_block)
        codes = np.ascontiguousarray(codes.transpose(2, 0, 1, 3))
        for i, digits in enumerate(layout.lowering.digits):
            bits = encode_digits(digits[codes], c)
            image[:, first:last, i, :used] = np.packbits(bits, axis=-1, bitorder="little")
    return image.reshape(-1)


def pad_groups(matrix: np.ndarray, layout: MatrixLayout) -> np.ndarray:
    """Columns ``[..., K]`` padded group by group to whole K blocks: ``[..., k_blocks*k_block]``."""
    block = layout.config.k_block
    rows, k = matrix.shape
    padded_group = layout.group_blocks * block
    if layout.group_width == padded_group and k == layout.k_blocks * block:
        return matrix
    padded = np.zeros((rows, layout.k_blocks * block), matrix.dtype)
    if layout.groups == 1 or layout.group_width == padded_group:
        padded[:, :k] = matrix
        return padded
    whole = k // layout.group_width
    cut = whole * layout.group_width
    grid = padded[:, : whole * padded_group].reshape(rows, whole, padded_group)
    grid[:, :, : layout.group_width] = matrix[:, :cut].reshape(rows, whole, layout.group_width)
    padded[:, whole * padded_group : whole * padded_group + k - cut] = matrix[:, cut:]
    return padded


def pack_groups(weights: QuantizedMatrix, layout: MatrixLayout) -> np.ndarray:
    """Group-parameter image ``[group][output block]``, uint8; empty where there are none."""
    if not layout.grouped:
        return np.zeros(0, np.uint8)
    c = layout.config
    rows = np.minimum(np.arange(layout.n_blocks * c.lanes), layout.n - 1)
    shape = (layout.groups, layout.n_blocks, c.lanes)
    zeros = weights.zero_points
    if not isinstance(zeros, np.ndarray):
        zeros = np.full((layout.n, layout.groups), zeros or 0, np.int64)
    field = layout.lowering.zero_field(zeros)[rows].T.reshape(shape) & (1 << c.zero_bits) - 1
    scale = np.ones(shape, np.int64)
    if weights.group_scales is not None:
        scale = weights.group_scales[rows].T.reshape(shape)
    # Without a multiplier there is no scale field: its only value, 1, is implied.
    value = (scale | field << c.scale_bits) if c.scale_bits else field
    width = c.scale_bits + c.zero_bits
    bits = (value[..., None] >> np.arange(width) & 1).astype(np.uint8)
    words = np.packbits(bits.reshape(*shape[:2], -1), axis=-1, bitorder="little")
    word_bytes = c.memory_word_bits(c.scale_word_bits) // 8
    image = np.zeros((layout.groups, layout.group_pitch, word_bytes), np.uint8)
    image[:, : layout.n_blocks, : words.shape[-1]] = words
    return image.reshape(-1)


def pack_activations(
    x: np.ndarray, layout: MatrixLayout, *, exponents: np.ndarray | None = None
) -> np.ndarray:
    """Activation image ``[row block][K block]`` of words ``[k_block][rows]``.

    Words of block-scaled activations (`Config.act_exponent_bits`) end with ``[rows]`` exponents.

    Parameters
    ----------
    x : ndarray of integers, shape ``[M, K]``
        In the range of `Config.act_bits`, which is not checked here.
    exponents : ndarray of integers, shape ``[M, k_blocks]``, optional
        0 everywhere if missing.

    Returns
    -------
    ndarray of uint8, shape ``[act_bytes(ceil(M / rows))]``
    """
    c = layout.config
    element = np.int8 if c.act_elem_bits == 8 else np.dtype("<i2")
    m = x.shape[0]
    row_blocks = -(-m // c.rows)
    word_bytes = c.memory_word_bits(c.act_word_bits) // 8
    columns = pad_groups(x, layout)
    if c.rows > 1:
        padded = np.zeros((row_blocks * c.rows, columns.shape[1]), element)
        padded[:m] = columns
        columns = padded.reshape(row_blocks, c.rows, -1).transpose(0, 2, 1)
    elements = np.ascontiguousarray(columns, element)
    words = elements.reshape(row_blocks, layout.k_blocks, -1).view(np.uint8)
    if c.act_exponent_bits:
        shifts = np.zeros((row_blocks * c.rows, layout.k_blocks), np.uint8)
        if exponents is not None:
            shifts[:m] = exponents
        shifts = shifts.reshape(row_blocks, c.rows, -1).transpose(0, 2, 1)
        words = np.concatenate([words, shifts], -1)
    if words.shape[-1] == word_bytes and layout.act_pitch == layout.k_blocks:
        return words.reshape(-1)
    image = np.zeros((row_blocks, layout.act_pitch, word_bytes), np.uint8)
    image[:, : layout.k_blocks, : words.shape[-1]] = words
    return image.reshape(-1)


def unpack_outputs(image: np.ndarray, layout: MatrixLayout, m: int) -> np.ndarray:
    """Product ``[M, N]`` from the stored outputs ``[segment][row block][output block]``.

    Segments are added in the result's type, which is int64 wherever int32 could overflow.
    """
    c = layout.config
    row_blocks = -(-m // c.rows)
    stored = np.dtype("<i4") if c.out_bits == 32 else np.dtype("<i8")
    pieces = len(layout.segments)
    word_bytes = c.memory_word_bits(c.psum_word_bits) // 8
    shape = (pieces, row_blocks, layout.n_blocks)
    words = image.reshape(*shape, word_bytes)[..., : c.psum_word_bits // 8]
    values = np.ascontiguousarray(words).view(stored).reshape(*shape, c.lanes, c.rows)
    total = values[0] if pieces == 1 else values.sum(0, dtype=layout.result_dtype)
    matrix = total.transpose(0, 3, 1, 2).reshape(row_blocks * c.rows, -1)[:m, : layout.n]
    return np.ascontiguousarray(matrix, layout.result_dtype)
