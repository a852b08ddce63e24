"""GGUF's blocks of 256 with two levels of scales: Q2_K to Q6_K.

A block has a half-precision scale, small integer scales for groups of 16 or 32 inputs, and in Q2_K,
Q4_K and Q5_K the same for minima. The products of both levels are exact in float32.

References
----------
ggml-common.h, ggml-quants.c of https://github.com/ggml-org/ggml.
"""

from __future__ import annotations

import numpy as np
from gguf import GGMLQuantizationType as Kind

from .gguf_blocks import Block, Decoded, half, low_first

__all__ = ["K_BLOCKS"]


def _products(factor: np.ndarray, integers: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # damaged factors may be infinite
        return half(factor) * integers.astype(np.float32)


def _q2_k(blocks: np.ndarray) -> Decoded:
    small = blocks[:, :16]
    scales = _products(blocks[:, 80:82], small & 15)
    minima = _products(blocks[:, 82:84], small >> 4)
    return Decoded(low_first(blocks[:, 16:80], 2, 32), scales, -minima)


def _q3_k(blocks: np.ndarray) -> Decoded:
    high = low_first(blocks[:, :32], 1, 32) << np.uint8(2)
    codes = low_first(blocks[:, 32:96], 2, 32) | high
    # Sixteen 6-bit scales: low nibbles in 8 bytes, upper pairs of bits in 4.
    low = low_first(blocks[:, 96:104], 4, 8)
    small = low | low_first(blocks[:, 104:108], 2, 4) << np.uint8(4)
    return Decoded(codes, _products(blocks[:, 108:110], small.astype(np.int16) - 32))


def _scales_and_minima(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight 6-bit scales and minima in 12 bytes: the first four of each whole, in two parts the
    others, nibbles in the last four bytes and upper bits above the first ones."""
    scales, minima, rest = data[:, :4], data[:, 4:8], data[:, 8:]
    return (
        np.concatenate([scales & 63, rest & 15 | scales >> 2 & 48], axis=1),
        np.concatenate([minima & 63, rest >> 4 | minima >> 2 & 48], axis=1),
    )


def _q4_k(blocks: np.ndarray) -> Decoded:
    small, least = _scales_and_minima(blocks[:, 4:16])
    scales, minima = _products(blocks[:, :2], small), _products(blocks[:, 2:4], least)
    return Decoded(low_first(blocks[:, 16:], 4, 32), scales, -minima)


def _q5_k(blocks: np.ndarray) -> Decoded:
    small, least = _scales_and_minima(blocks[:, 4:16])
    scales, minima = _products(blocks[:, :2], small), _products(blocks[:, 2:4], least)
    high = low_first(blocks[:, 16:48], 1, 32) << np.uint8(4)
    return Decoded(low_first(blocks[:, 48:], 4, 32) | high, scales, -minima)


def _q6_k(blocks: np.ndarray) -> Decoded:
    high = low_first(blocks[:, 128:192], 2, 32) << np.uint8(4)
    codes = low_first(blocks[:, :128], 4, 64) | high
    small = blocks[:, 192:208].view(np.int8)
    return Decoded(codes, _products(blocks[:, 208:210], small))


#: Blocks with two levels of scales, by type.
K_BLOCKS: dict[Kind, Block] = {
    Kind.Q2_K: Block(2, 16, 0, _q2_k),
    Kind.Q3_K: Block(3, 16, 4, _q3_k),
    Kind.Q4_K: Block(4, 32, 0, _q4_k),
    Kind.Q5_K: Block(5, 32, 0, _q5_k),
    Kind.Q6_K: Block(6, 16, 32, _q6_k),
}
