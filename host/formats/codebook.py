"""Code books of integers, and the plain integer formats, as matrices of the fewest planes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantized_matrix import Plane, QuantizedMatrix
from .plane_search import planes_for

__all__ = ["from_bipolar", "from_codebook", "from_integers", "from_ternary"]


def from_codebook(
    codes: np.ndarray,
    values: Sequence[int] | np.ndarray,
    *,
    group_size: int | None = None,
    zero_points: np.ndarray | int | None = None,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
    only_used: bool = False,
    max_weight_bits: int = 8,
    max_shift: int = 3,
) -> QuantizedMatrix:
    """Weights ``row_scale * group_scale * (values[code] - zero_point)``, exactly.

    The codes are replaced by those of the fewest planes that represent every entry of the code
    book (`lutra.host.formats.plane_search`): one lookup per weight on the host, nothing on the
    accelerator.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below ``len(values)``.
    values : sequence of int
        The code book, 1 to 256 entries; entries may be equal.
    group_size, zero_points, group_scales, row_scales
        As in `QuantizedMatrix`.
    only_used : bool
        Represent only the entries that occur, which may take fewer planes.
    max_weight_bits, max_shift : int
        As in the `Config` the matrix is for.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    UnsupportedFormatError
        The values span more than the planes of such a configuration.
    """
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"codes must be a uint8 array, not {found}")
    if codes.ndim != 2 or 0 in codes.shape:
        raise ShapeError(f"codes must have shape [N, K], N and K at least 1, not {codes.shape}")
    book = np.asarray(values)
    if book.ndim != 1 or not np.issubdtype(book.dtype, np.integer):
        raise DtypeError(f"values must be a list of integers, not {book.dtype} {book.shape}")
    if not 1 <= len(book) <= 256:
        raise RangeError(f"values must be 1 to 256 integers, not {len(book)}")
    top = int(codes.max())
    if top >= len(book):
        raise RangeError(f"codes must be below {len(book)}, not {top}")
    needed = book
    if only_used:
        needed = book[np.bincount(codes.ravel(), minlength=len(book)) > 0]
    chosen = planes_for(
        needed.tolist(),
        max_weight_bits=max_weight_bits,
        max_shift=max_shift,
        grouped=zero_points is not None or group_scales is not None,
    )
    # Entries that do not occur need not have a code.
    table = chosen.encode(v if v in set(needed.tolist()) else needed[0] for v in book.tolist())
    return QuantizedMatrix(
        codes=table[codes],
        bits=chosen.bits,
        planes=chosen.planes,
        offset=chosen.offset,
        halve=chosen.halve,
        group_size=group_size,
        zero_points=zero_points,
        group_scales=group_scales,
        row_scales=row_scales,
    )


def from_integers(
    weights: np.ndarray,
    bits: int,
    *,
    signed: bool = True,
    group_size: int | None = None,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
) -> QuantizedMatrix:
    """int1 to int8, uint1 to uint8: ``row_scale * group_scale * weight`` as `bits` planes.

    Signed integers are the codes ``weight + 2**(bits-1)`` with that zero point (for one bit, -1
    and 0), unsigned ones the codes themselves with zero point 0. Codes with other zero points,
    one for all or one per group, enter through `QuantizedMatrix.from_codes`.

    Parameters
    ----------
    weights : ndarray of integers, shape ``[N, K]``
        In ``[-2**(bits-1), 2**(bits-1) - 1]``, or ``[0, 2**bits - 1]`` where not `signed`.
    bits : int
        1 to 8.
    signed : bool
    group_size, group_scales, row_scales
        As in `QuantizedMatrix`.
    """
    _check_bits(bits)
    zero = 1 << bits - 1 if signed else 0
    codes = _shifted(weights, -zero, (1 << bits) - 1 - zero)
    return QuantizedMatrix.from_codes(
        codes,
        bits,
        group_size=group_size,
        zero_points=zero,
        group_scales=group_scales,
        row_scales=row_scales,
    )


def from_bipolar(
    codes: np.ndarray,
    bits: int,
    *,
    group_size: int | None = None,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
) -> QuantizedMatrix:
    """Bipolar integers: every bit of a code is -1 or +1, ``value = sum_i 2**i (2 b_i - 1)``.

    The odd numbers ``-(2**bits - 1) .. 2**bits - 1``: symmetric, without a zero, and without a
    correction by ``sum x`` (the bipolar-INT of Ma et al., *Efficient Arbitrary Precision
    Acceleration for Large Language Models on GPU Tensor Cores*, 2024, arXiv:2409.17870).

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below ``2**bits``.
    bits : int
        1 to 8.
    group_size, group_scales, row_scales
        As in `QuantizedMatrix`.
    """
    _check_bits(bits)
    return QuantizedMatrix(
        codes=codes,
        bits=bits,
        planes=tuple(Plane(bit, bit) for bit in reversed(range(bits))),
        group_size=group_size,
        group_scales=group_scales,
        row_scales=row_scales,
    )


def from_ternary(
    weights: np.ndarray,
    *,
    group_size: int | None = None,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
) -> QuantizedMatrix:
    """Ternary weights -1, 0, +1: two planes, or one plane of trits where the element has these.

    Parameters
    ----------
    weights : ndarray of integers, shape ``[N, K]``
        -1, 0 or 1.
    group_size, group_scales, row_scales
        As in `QuantizedMatrix`.
    """
    return from_codebook(
        _shifted(weights, -1, 1),
        (-1, 0, 1),
        group_size=group_size,
        group_scales=group_scales,
        row_scales=row_scales,
    )


def _shifted(weights: np.ndarray, low: int, high: int) -> np.ndarray:
    """Weights less `low` as uint8, checked to lie in ``[low, high]``."""
    if not isinstance(weights, np.ndarray) or not np.issubdtype(weights.dtype, np.integer):
        found = weights.dtype if isinstance(weights, np.ndarray) else type(weights).__name__
        raise DtypeError(f"weights must be an integer array, not {found}")
    if weights.ndim != 2 or 0 in weights.shape:
        raise ShapeError(f"weights must have shape [N, K], both at least 1, not {weights.shape}")
    least, most = int(weights.min()), int(weights.max())
    if least < low or most > high:
        found = least if least < low else most
        raise RangeError(f"weights must be from {low} to {high}, not {found}")
    return (weights.astype(np.int16) - low).astype(np.uint8)


def _check_bits(bits: int) -> None:
    if not isinstance(bits, int) or isinstance(bits, bool):
        raise DtypeError(f"bits must be an int, not {bits!r}")
    if not 1 <= bits <= 8:
        raise RangeError(f"bits must be from 1 to 8, not {bits}")
