"""Real group scales as the accelerator has them: unsigned integers times one float32 per output."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError

__all__ = ["GroupScales", "exact_scales", "integer_scales"]

#: Bits of an exact integer scale that 64-bit arithmetic holds.
_WIDEST = 62
#: Units that are tried for scales that cannot be exact.
_UNITS = 128


class GroupScales(NamedTuple):
    """``scale[n, g] ~ integers[n, g] * row[n]``.

    Attributes
    ----------
    integers : ndarray of int64, shape ``[N, G]``
    row : ndarray of float32, shape ``[N]``
    exact : ndarray of bool, shape ``[N]``
        Rows in which every scale is represented exactly.
    """

    integers: np.ndarray
    row: np.ndarray
    exact: np.ndarray


def exact_scales(scales: np.ndarray, *, scale_bits: int) -> GroupScales:
    """Integers times a power of two per row, exact wherever `scale_bits` allow it.

    The unit of a row is the largest power of two that divides all its scales; ``scale / unit`` must
    be below ``2**scale_bits``. Rows in which it is not keep integers up to 62 bits, and those that
    even these do not hold become zeros; `exact` is false for both.

    Parameters
    ----------
    scales : ndarray of floats, shape ``[N, G]``
        Not negative, finite; 0 where a group does not count.
    scale_bits : int
        1 to 32; what is more than `Config.scale_bits` needs `lutra.host.formats.scale_split`.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    values = _checked(scales, scale_bits)
    used = values > 0
    mantissa, exponent = np.frexp(values)
    integers = (mantissa * 2.0**53).astype(np.int64)
    # scale = odd * 2**place
    lowest = np.where(used, integers & -integers, 1)
    twos = np.log2(lowest.astype(np.float64)).astype(np.int64)
    place = exponent + twos - 53
    unit = np.where(used, place, 1 << 20).min(1)
    unit = np.where(used.any(1), unit, 0)
    width = np.where(used, exponent - unit[:, None], 0)
    row = np.ldexp(np.ones(len(values)), unit)
    single = row.astype(np.float32)
    good = (width.max(1) <= _WIDEST) & (single == row)
    shift = np.where(used & good[:, None], place - unit[:, None], 0)
    integers = np.where(used & good[:, None], integers >> twos << shift, 0)
    single[~good] = 1
    return GroupScales(integers, single, good & (width.max(1) <= scale_bits))


def integer_scales(scales: np.ndarray, *, scale_bits: int, units: int = _UNITS) -> GroupScales:
    """The nearest integers times a float32 per row: exact if possible, else least squares.

    Where `exact_scales` does not hold a row, its unit is the one of ``max / d``, `units` values d
    from ``2**(scale_bits-1)`` to ``2**scale_bits - 1``, that leaves the smallest
    ``sum_g (integer * unit - scale)**2``. No scale is off by more than half a unit, which is at
    most ``max / 2**scale_bits``, but for those below a unit, which become 1 and do not count in the
    sum: their groups are rounded instead (`lutra.host.formats.nearest`).

    Parameters
    ----------
    scales : ndarray of floats, shape ``[N, G]``
        Not negative, finite.
    scale_bits : int
        1 to 32; above 16 only what is exact.
    units : int
        That are tried, at most; more of them matter where a row has few groups.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    integers, row, exact = exact_scales(scales, scale_bits=scale_bits)
    wrong = np.flatnonzero(~exact)
    if not len(wrong):
        return GroupScales(integers, row, exact)
    if scale_bits > 16:
        raise RangeError(f"scales of row {wrong[0]} must span at most {scale_bits} bits")
    rest = np.asarray(scales, np.float64)[wrong]
    largest = rest.max(1, keepdims=True)
    best = np.full(len(rest), np.inf)
    low, high = 1 << scale_bits - 1, (1 << scale_bits) - 1
    for divisor in np.unique(np.linspace(low, high, units, dtype=np.int64)):
        unit = (largest / divisor).astype(np.float32)
        unit = np.maximum(unit, np.finfo(np.float32).smallest_subnormal).astype(np.float64)
        found = np.clip(np.rint(rest / unit), rest > 0, divisor)
        error = np.where(rest < unit, 0, (found * unit - rest) ** 2).sum(1)
        better = error < best
        best[better] = error[better]
        integers[wrong[better]] = found[better].astype(np.int64)
        row[wrong[better]] = unit[better, 0]
    return GroupScales(integers, row, exact)


def _checked(scales: np.ndarray, scale_bits: int) -> np.ndarray:
    array = np.asarray(scales)
    if not np.issubdtype(array.dtype, np.floating):
        raise DtypeError(f"scales must be floats, not {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(f"scales must have shape [N, G], both at least 1, not {array.shape}")
    if not np.isfinite(array).all() or float(array.min()) < 0:
        raise RangeError("scales must be finite and not negative")
    if not 1 <= scale_bits <= 32:
        raise RangeError(f"scale_bits must be from 1 to 32, not {scale_bits}")
    return array.astype(np.float64)
