"""Code books of real values: the best integers for a given number of planes. NF4 and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import RangeError, ShapeError
from .encoded import Encoded
from .group_scales import integer_scales
from .nearest import encode_nearest, per_input
from .plane_search import PlaneSet, planes_for

__all__ = ["IQ4_NL", "NF4", "CodebookFit", "fit_codebook", "from_codebook16", "from_nf4"]

#: Quantiles of the normal distribution, scaled to [-1, 1], with an exact zero (Dettmers et al.,
#: *QLoRA*, NeurIPS 2023, arXiv:2305.14314, appendix E).
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
    -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip

#: llama.cpp's non-linear four-bit code book, which is integers already.
IQ4_NL = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

#: Scales that are tried: steps of the factor from one power of two to the next.
_STEPS = 512


class CodebookFit(NamedTuple):
    """``values ~ scale * levels``.

    Attributes
    ----------
    levels : tuple of int
        One for each entry of the code book.
    scale : float
    planes : PlaneSet
        The planes of `levels`.
    max_error, rms_error : float
        ``max |scale * level - value|`` and its root mean square over the entries, both in units of
        ``max |value|``.
    """

    levels: tuple[int, ...]
    scale: float
    planes: PlaneSet
    max_error: float
    rms_error: float


def fit_codebook(
    values: Sequence[float],
    planes: int,
    *,
    keep_zero: bool = True,
    max_shift: int = 3,
) -> CodebookFit:
    """Integers of at most `planes` planes that are nearest to a code book of real values.

    Minimises ``sum_i (scale * level_i - value_i)**2`` over the scale and the levels, where the
    levels are any ``2**planes`` successive integers. The scale is searched on a grid of 512
    steps, each refined by least squares for the levels it leads to. Lists of planes with
    repeated places or gaps have fewer or clustered values; for NF4 none of them is nearer
    (`tests/host/formats/test_codebook16.py` tries all of four and five planes).

    Parameters
    ----------
    values : sequence of float
        Not all 0.
    planes : int
        2 to 8.
    keep_zero : bool
        Entries that are 0 stay exactly 0.
    max_shift : int
        As in `Config`.

    Raises
    ------
    RangeError
    """
    book = np.asarray(values, np.float64)
    if book.ndim != 1 or not len(book) or not np.isfinite(book).all() or not book.any():
        raise RangeError("values must be finite numbers, at least one of them not 0")
    if not 2 <= planes <= 8:
        raise RangeError(f"planes must be from 2 to 8, not {planes}")
    top = (1 << planes) - 1
    span = max(float(book.max()), 0.0) - min(float(book.min()), 0.0)
    best: tuple[float, float, np.ndarray] | None = None
    for step in range(_STEPS):
        scale = span / top * (1 + step / _STEPS)
        for low in _lowest(book, scale, top):
            levels = np.clip(np.rint(book / scale), low, low + top)
            if keep_zero:
                levels[book == 0] = 0
            if not levels.any():
                continue
            refined = float(levels @ book / (levels @ levels))
            error = float(((refined * levels - book) ** 2).sum())
            if best is None or error < best[0]:
                best = error, refined, levels
    assert best is not None
    _, scale, levels = best
    whole = tuple(int(level) for level in levels)
    wrong = np.abs(scale * levels - book) / np.abs(book).max()
    return CodebookFit(
        whole,
        scale,
        planes_for(whole, max_shift=max_shift, grouped=True),
        float(wrong.max()),
        float(np.sqrt((wrong**2).mean())),
    )


def from_codebook16(
    codes: np.ndarray,
    values: Sequence[float],
    scales: np.ndarray,
    *,
    planes: int = 8,
    group_size: int | None = None,
    scale_bits: int = 8,
    max_shift: int = 3,
) -> Encoded:
    """Weights ``scale[n, g] * values[code]`` with the code book fitted by `fit_codebook`.

    Two roundings: the entries to `planes` planes, the scales to integers of `scale_bits` times a
    float32 per output (`lutra.host.formats.group_scales`). In groups whose scale is off, the levels
    are chosen anew, nearest for the scale as it is.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below ``len(values)``.
    values : sequence of float
        The code book.
    scales : ndarray of floats, shape ``[N, G]``
        Of each group, not negative.
    planes : int
        At most; 2 to 8.
    group_size, scale_bits, max_shift : int
        As in `QuantizedMatrix` and `Config`.
    """
    fit = fit_codebook(values, planes, max_shift=max_shift)
    book = np.asarray(values, np.float64)
    if int(codes.max()) >= len(book):
        raise RangeError(f"codes must be below {len(book)}, not {int(codes.max())}")
    if len(scales) != len(codes):
        raise ShapeError(f"scales must have {len(codes)} rows, not {len(scales)}")
    k = codes.shape[1]
    weights = book[codes] * per_input(np.asarray(scales, np.float64), group_size, k)
    rounded = integer_scales(np.asarray(scales, np.float64) * fit.scale, scale_bits=scale_bits)
    return encode_nearest(weights, fit.planes, rounded, group_size=group_size)


def from_nf4(
    codes: np.ndarray,
    scales: np.ndarray,
    *,
    planes: int = 8,
    group_size: int = 64,
    scale_bits: int = 8,
) -> Encoded:
    """NF4 weights ``scale * NF4[code]``, blocks of 64 with their largest magnitude as scale.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below 16.
    scales : ndarray of floats, shape ``[N, ceil(K / group_size)]``
    planes : int
        2 to 8: accuracy against cycles, see docs/formats/codebooks.md.
    group_size, scale_bits : int
        As in `QuantizedMatrix` and `Config`.
    """
    return from_codebook16(
        codes, NF4, scales, planes=planes, group_size=group_size, scale_bits=scale_bits
    )


def _lowest(book: np.ndarray, scale: float, top: int) -> list[int]:
    """Smallest levels worth trying: the range put where it clips least at either end."""
    low, high = int(np.rint(book.min() / scale)), int(np.rint(book.max() / scale))
    return sorted({min(low, 0), max(high, 0) - top, -(top // 2), -(top // 2) - 1})
