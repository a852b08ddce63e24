"""BitMoD: FP3 and FP4 whose redundant zero is a special value that each group chooses."""

from __future__ import annotations

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantized_matrix import QuantizedMatrix
from .encoded import Encoded, compare
from .group_scales import integer_scales
from .nearest import nearest_index, per_input

__all__ = ["TAGS", "bitmod_book", "from_bitmod", "quantize_bitmod"]

#: What a group's tag means: extra resolution or extra asymmetry, and the sign of the special value.
TAGS = ("er+", "er-", "ea+", "ea-")

_BASE = {3: (0, 1, 2, 4), 4: (0, 1, 2, 3, 4, 6, 8, 12)}
_SPECIAL = {3: (3, -3, 6, -6), 4: (10, -10, 16, -16)}
#: Zero point of a group: with the tag "ea-", and with any other.
_ZEROS = {3: (6, 6), 4: (16, 12)}


def bitmod_book(bits: int, tag: int) -> tuple[int, ...]:
    """Integer of each code of a group with `tag`: FP3 as it is, FP4 doubled.

    Codes are sign and magnitude; the code of the negative zero, ``2**(bits-1)``, is the special
    value:

    ====  ==============================  ===========  ===========
    bits  magnitudes                      er (0, 1)    ea (2, 3)
    ====  ==============================  ===========  ===========
    3     0, 1, 2, 4                      3, -3        6, -6
    4     0, 0.5, 1, 1.5, 2, 3, 4, 6      5, -5        8, -8
    ====  ==============================  ===========  ===========

    Source: Chen et al., *BitMoD: Bit-serial Mixture-of-Datatype LLM Acceleration*, HPCA 2025,
    arXiv:2411.11745, section III. The order of the tags is this project's.
    """
    if bits not in _BASE:
        raise RangeError(f"bits must be 3 or 4, not {bits!r}")
    if not 0 <= tag < len(TAGS):
        raise RangeError(f"tag must be from 0 to {len(TAGS) - 1}, not {tag!r}")
    base = _BASE[bits]
    return (*base, _SPECIAL[bits][tag], *(-value for value in base[1:]))


def from_bitmod(
    codes: np.ndarray,
    tags: np.ndarray,
    bits: int,
    *,
    group_size: int | None = 128,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
) -> QuantizedMatrix:
    """BitMoD weights ``row_scale * group_scale * book[tag](code)``, exact.

    One list of planes serves all four data types: successive integers, four planes for FP3 and five
    for FP4. FP4 with the special value 8 or -8 spans 29 of the 32 values of five planes, but not
    the same 29; each group's zero point puts the range where its tag needs it.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below ``2**bits``.
    tags : ndarray of integers, shape ``[N, G]``
        Index into `TAGS` of each group.
    bits : int
        3 or 4.
    group_size : int or None
    group_scales : ndarray of integers, shape ``[N, G]``, optional
        BitMoD's own are eight-bit integers too.
    row_scales : ndarray of floats, shape ``[N]``, optional

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    values = _values(codes, tags, bits, group_size)
    zeros = np.where(tags == TAGS.index("ea-"), *_ZEROS[bits])
    scales = row_scales
    if bits == 4:
        whole = np.ones(len(codes)) if row_scales is None else np.asarray(row_scales)
        scales = (whole / 2).astype(np.float32)
    return QuantizedMatrix.from_codes(
        (values + per_input(zeros, group_size, codes.shape[1])).astype(np.uint8),
        bits + 1,
        group_size=group_size,
        zero_points=zeros,
        group_scales=group_scales,
        row_scales=scales,
    )


def quantize_bitmod(
    weights: np.ndarray, bits: int, *, group_size: int | None = 128, scale_bits: int = 8
) -> tuple[Encoded, np.ndarray]:
    """BitMoD's data type adaptation: every group takes the tag with the smallest squared error.

    For each tag, ``scale = max |w| / max |book|`` and each weight becomes the nearest entry; the
    scales of the best tags are then rounded to integers of `scale_bits` per output.

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    bits : int
        3 or 4.
    group_size : int or None
    scale_bits : int
        As in `Config`.

    Returns
    -------
    Encoded
        The matrix, and its error against `weights` (of the quantisation as a whole).
    ndarray of uint8, shape ``[N, G]``
        The tags.
    """
    w = np.asarray(weights)
    if not np.issubdtype(w.dtype, np.floating):
        raise DtypeError(f"weights must be a float array, not {w.dtype}")
    if w.ndim != 2 or 0 in w.shape:
        raise ShapeError(f"weights must have shape [N, K], both at least 1, not {w.shape}")
    if not np.isfinite(w).all():
        raise RangeError("weights must be finite")
    w = w.astype(np.float64)
    n, k = w.shape
    starts = np.arange(0, k, k if group_size is None else min(group_size, k))
    books = [np.array(bitmod_book(bits, tag), np.float64) for tag in range(len(TAGS))]
    largest = np.maximum.reduceat(np.abs(w), starts, axis=1)
    errors = []
    for book in books:
        unit = per_input(_unit(largest / np.abs(book).max()), group_size, k)
        values = np.sort(book)
        wrong = values[nearest_index(w / unit, values)] * unit - w
        errors.append(np.add.reduceat(wrong**2, starts, axis=1))
    tags = np.argmin(errors, axis=0).astype(np.uint8)
    tops = np.array([np.abs(book).max() for book in books])
    scales = integer_scales(largest / tops[tags], scale_bits=scale_bits)
    unit = _unit(scales.integers * scales.row.astype(np.float64)[:, None])
    wanted, chosen = w / per_input(unit, group_size, k), per_input(tags, group_size, k)
    codes = np.zeros((n, k), np.uint8)
    for tag, book in enumerate(books):
        order = np.argsort(book)
        codes[chosen == tag] = order[nearest_index(wanted[chosen == tag], book[order])]
    matrix = from_bitmod(
        codes,
        tags,
        bits,
        group_size=group_size,
        group_scales=scales.integers,
        row_scales=scales.row * np.float32(2 if bits == 4 else 1),
    )
    return compare(matrix, w), tags


def _values(codes: np.ndarray, tags: np.ndarray, bits: int, group_size: int | None) -> np.ndarray:
    """Integer of every code, by its group's tag: int64 ``[N, K]``."""
    books = np.array([bitmod_book(bits, tag) for tag in range(len(TAGS))])
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"codes must be a uint8 array, not {found}")
    if codes.ndim != 2 or 0 in codes.shape:
        raise ShapeError(f"codes must have shape [N, K], N and K at least 1, not {codes.shape}")
    if int(codes.max()) >= 1 << bits:
        raise RangeError(f"codes must be below {1 << bits}, not {int(codes.max())}")
    if not np.issubdtype(tags.dtype, np.integer):
        raise DtypeError(f"tags must be integers, not {tags.dtype}")
    per_group = per_input(tags, group_size, codes.shape[1])
    if len(tags) != len(codes):
        raise ShapeError(f"tags must have {len(codes)} rows, not {len(tags)}")
    if int(tags.min()) < 0 or int(tags.max()) >= len(TAGS):
        raise RangeError(f"tags must be from 0 to {len(TAGS) - 1}")
    return books[per_group, codes]


def _unit(scales: np.ndarray) -> np.ndarray:
    return np.where(scales > 0, scales, 1.0)
