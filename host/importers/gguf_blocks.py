"""GGUF's blocks with one scale: TQ1_0, TQ2_0, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.

Every decoder takes blocks as uint8 ``[n, bytes]`` and gives codes ``[n, inputs]``, float32 scales
``[n, groups]`` and biases of the same shape or None.

References
----------
ggml-common.h, ggml-quants.c of https://github.com/ggml-org/ggml; what the `gguf` package's
`quants.dequantize` gives is what these are tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from gguf import GGMLQuantizationType as Kind

from .grouped_codes import widened

__all__ = ["BLOCKS", "Block", "Decoded", "half", "low_first"]


class Decoded(NamedTuple):
    """Codes, scales and biases of some blocks."""

    codes: np.ndarray
    scales: np.ndarray
    biases: np.ndarray | None = None


class Block(NamedTuple):
    """A block type: bits of a code, inputs that share a scale, zero point of the codes."""

    bits: int
    group: int
    zero: int
    decode: Callable[[np.ndarray], Decoded]


def half(data: np.ndarray) -> np.ndarray:
    """Half-precision numbers ``[n, 2 m]`` of bytes, as float32 ``[n, m]``."""
    return widened(np.ascontiguousarray(data).view("<f2"))


def low_first(data: np.ndarray, bits: int, run: int) -> np.ndarray:
    """Fields of `bits` of every run of `run` bytes: all lowest fields, then all next ones."""
    fields = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    runs = data.reshape(len(data), -1, 1, run)
    return (runs >> fields & np.uint8((1 << bits) - 1)).reshape(len(data), -1)


def _q4_0(blocks: np.ndarray) -> Decoded:
    return Decoded(low_first(blocks[:, 2:], 4, 16), half(blocks[:, :2]))


def _q4_1(blocks: np.ndarray) -> Decoded:
    return Decoded(low_first(blocks[:, 4:], 4, 16), half(blocks[:, :2]), half(blocks[:, 2:4]))


def _fifth_bits(data: np.ndarray) -> np.ndarray:
    return np.unpackbits(np.ascontiguousarray(data), axis=1, bitorder="little") << np.uint8(4)


def _q5_0(blocks: np.ndarray) -> Decoded:
    codes = low_first(blocks[:, 6:], 4, 16) | _fifth_bits(blocks[:, 2:6])
    return Decoded(codes, half(blocks[:, :2]))


def _q5_1(blocks: np.ndarray) -> Decoded:
    codes = low_first(blocks[:, 8:], 4, 16) | _fifth_bits(blocks[:, 4:8])
    return Decoded(codes, half(blocks[:, :2]), half(blocks[:, 2:4]))


def _q8_0(blocks: np.ndarray) -> Decoded:
    # Two's complement to an offset of 128.
    return Decoded(blocks[:, 2:] ^ np.uint8(0x80), half(blocks[:, :2]))


def _tq2_0(blocks: np.ndarray) -> Decoded:
    return Decoded(low_first(blocks[:, :64], 2, 32), half(blocks[:, 64:]))


def _tq1_0(blocks: np.ndarray) -> Decoded:
    """Five trits a byte, digits of a fraction: multiplied by 3**i, the i-th one is on top."""
    parts = []
    for first, last, run, trits in ((0, 32, 32, 5), (32, 48, 16, 5), (48, 52, 4, 4)):
        powers = np.array([3**i for i in range(trits)], np.uint8)[:, None]
        runs = blocks[:, first:last].reshape(len(blocks), -1, 1, run)
        parts.append((runs * powers).reshape(len(blocks), -1))
    fractions = np.concatenate(parts, axis=1).astype(np.uint16)
    return Decoded((fractions * 3 >> 8).astype(np.uint8), half(blocks[:, 52:]))


#: Blocks with one scale, by type.
BLOCKS: dict[Kind, Block] = {
    Kind.TQ1_0: Block(2, 256, 1, _tq1_0),
    Kind.TQ2_0: Block(2, 256, 1, _tq2_0),
    Kind.Q4_0: Block(4, 32, 8, _q4_0),
    Kind.Q4_1: Block(4, 32, 0, _q4_1),
    Kind.Q5_0: Block(5, 32, 16, _q5_0),
    Kind.Q5_1: Block(5, 32, 0, _q5_1),
    Kind.Q8_0: Block(8, 32, 128, _q8_0),
}
