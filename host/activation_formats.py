"""Activations in the number formats of the literature, as values and a scale for each row.

==================  =========================================  ====================================
name                values                                     of real ``x``, row by row
==================  =========================================  ====================================
int4, int8, int16   integers of b bits                         ``rint(x / s), s = max|x| / (2**(b-1)
                                                               - 1)``
uint8               integers 0 .. 255, zero point z            ``rint(x / s) + z``, s and z from the
                                                               row's range, which 0 belongs to
bipolar1, 2, 4, 8   odd integers of b bits, each bit           the nearest odd to ``x / s``,
                    -1 or +1: ``2 u - (2**b - 1)``             s = ``max|x| / (2**b - 1)``
e4m3, e5m2          float8 (OCP; e4m3 without infinities)      ``x / s``, s = ``max|x| / largest``
bf16, fp16          bfloat16, IEEE half precision              ``x``, s = 1
==================  =========================================  ====================================

Everything rounds to nearest, ties to even, and s is a float32; ``x / s`` becomes a float32 on its
way to a floating-point format. Arrays that are in the format already (integers, or the number types
of ml_dtypes and NumPy) are taken as they are, with s = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from .errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError

__all__ = ["BIPOLAR", "FORMATS", "NUMBER_TYPES", "FormattedActivations", "format_activations"]

#: Number types of the floating-point formats.
NUMBER_TYPES: dict[str, np.dtype] = {
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "fp16": np.dtype(np.float16),
}

_INTEGERS = {"int4": 4, "int8": 8, "int16": 16}

#: Bits of the bipolar formats, whose bits mean -1 and +1.
BIPOLAR: dict[str, int] = {f"bipolar{bits}": bits for bits in (1, 2, 4, 8)}

#: Names of all formats.
FORMATS: tuple[str, ...] = (*_INTEGERS, "uint8", *BIPOLAR, *NUMBER_TYPES)

#: What the rounding of a scale to float32 adds to half a step, at 255 steps from zero.
_SLACK = 1 + 2.0**-14


@dataclass(frozen=True, eq=False, kw_only=True)
class FormattedActivations:
    """``x[m, k] ~ scales[m] * (values[m, k] - zero_points[m])``.

    Attributes
    ----------
    format : str
    values : ndarray, shape ``[M, K]``
        int64 of an integer format, float64 of a floating-point one, both exactly.
    scales : ndarray of float64, shape ``[M]``
        Each a float32.
    zero_points : ndarray of int64, shape ``[M]``
        0 except in uint8.
    errors : ndarray of float64, shape ``[M, K]``
        What ``x`` is off by at most.
    """

    format: str
    values: np.ndarray
    scales: np.ndarray
    zero_points: np.ndarray
    errors: np.ndarray

    @property
    def floating(self) -> bool:
        """Whether the values are floating-point numbers."""
        return self.format in NUMBER_TYPES

    @property
    def reals(self) -> np.ndarray:
        """What the values stand for, float64 ``[M, K]``."""
        return (self.values - self.zero_points[:, None]) * self.scales[:, None]


def format_activations(x: np.ndarray, format: str) -> FormattedActivations:
    """`x` in a format; ml_dtypes rounds to its number types.

    Parameters
    ----------
    x : ndarray, shape ``[M, K]``
        Real numbers, or numbers of the format itself.
    format : str
        One of `FORMATS`.

    Raises
    ------
    UnsupportedFormatError
        There is no such format.
    DtypeError, ShapeError, RangeError
        `x` is no matrix of finite numbers, or leaves the format's range.
    """
    if format not in FORMATS:
        raise UnsupportedFormatError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    if not isinstance(x, np.ndarray) or x.dtype == bool or x.dtype.kind in "cOSUM":
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise DtypeError(f"x must be an array of real numbers, not {found}")
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(f"x must have shape [M, K], both at least 1, not {x.shape}")
    exact = x.dtype == NUMBER_TYPES[format] if format in NUMBER_TYPES else x.dtype.kind in "iu"
    with np.errstate(invalid="ignore"):
        reals = x if exact and x.dtype.kind in "iu" else x.astype(np.float64)
    if reals.dtype.kind == "f" and not np.isfinite(reals).all():
        raise RangeError("x must be finite")
    if exact:
        return _as_it_is(reals, format)
    if format in NUMBER_TYPES:
        return _floating(reals, format)
    if format in BIPOLAR:
        return _bipolar(reals, format)
    return _unsigned(reals) if format == "uint8" else _signed(reals, format)


def _as_it_is(x: np.ndarray, format: str) -> FormattedActivations:
    low, high = -np.inf, np.inf
    if format == "uint8":
        low, high = 0, 255
    elif format in _INTEGERS:
        half = 1 << _INTEGERS[format] - 1
        low, high = -half, half - 1
    elif format in BIPOLAR:
        high = (1 << BIPOLAR[format]) - 1
        low = -high
        if not (x & 1).all():
            raise RangeError(f"x must be odd integers from {low} to {high} for {format}")
    if x.min() < low or x.max() > high:
        raise RangeError(f"x must be from {low} to {high} for {format}")
    values = x.astype(np.int64) if x.dtype.kind in "iu" else x
    m = len(x)
    return FormattedActivations(
        format=format, values=values, scales=np.ones(m), zero_points=np.zeros(m, np.int64),
        errors=np.zeros(x.shape),
    )  # fmt: skip


def _signed(x: np.ndarray, format: str) -> FormattedActivations:
    top = (1 << _INTEGERS[format] - 1) - 1
    scales = _scales(np.abs(x).max(1) / top)
    values = np.clip(np.rint(x / scales[:, None]), -top, top).astype(np.int64)
    return FormattedActivations(
        format=format, values=values, scales=scales, zero_points=np.zeros(len(x), np.int64),
        errors=np.broadcast_to(scales[:, None] / 2 * _SLACK, x.shape),
    )  # fmt: skip


def _bipolar(x: np.ndarray, format: str) -> FormattedActivations:
    """The nearest odd multiples of half a step; a row of zeros has the scale 0."""
    top = (1 << BIPOLAR[format]) - 1
    used = np.abs(x).max(1) > 0
    scales = _scales(np.abs(x).max(1) / top)
    codes = np.clip(np.rint((x / scales[:, None] + top) / 2), 0, top).astype(np.int64)
    scales = np.where(used, scales, 0.0)
    return FormattedActivations(
        format=format, values=2 * codes - top, scales=scales,
        zero_points=np.zeros(len(x), np.int64),
        errors=np.broadcast_to(scales[:, None] * _SLACK, x.shape),
    )  # fmt: skip


def _unsigned(x: np.ndarray) -> FormattedActivations:
    low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
    scales = _scales((high - low) / 255)
    zeros = np.clip(np.rint(-low / scales), 0, 255).astype(np.int64)
    values = np.rint(x / scales[:, None]).astype(np.int64) + zeros[:, None]
    return FormattedActivations(
        format="uint8", values=np.clip(values, 0, 255), scales=scales, zero_points=zeros,
        errors=np.broadcast_to(scales[:, None] / 2 * _SLACK, x.shape),
    )  # fmt: skip


def _floating(x: np.ndarray, format: str) -> FormattedActivations:
    kind = NUMBER_TYPES[format]
    info = ml_dtypes.finfo(kind)
    scales = np.ones(len(x))
    if kind.itemsize == 1:
        scales = _scales(np.abs(x).max(1) / float(info.max))
    scaled = x / scales[:, None]
    limit = float(info.max)
    if kind.itemsize == 1:
        scaled = np.clip(scaled, -limit, limit)
    with np.errstate(over="ignore", under="ignore"):
        values = scaled.astype(np.float32).astype(kind).astype(np.float64)
    if not np.isfinite(values).all():
        raise RangeError(f"x must be from {-limit:g} to {limit:g} for {format}")
    # Half a unit in the last place, half the smallest number below the normal ones; and float32's.
    near = np.maximum(np.abs(scaled) * float(info.eps) / 2, float(info.smallest_subnormal) / 2)
    errors = near + np.abs(scaled) * 2.0**-23 + 2.0**-149
    return FormattedActivations(
        format=format, values=values, scales=scales, zero_points=np.zeros(len(x), np.int64),
        errors=errors * scales[:, None],
    )  # fmt: skip


def _scales(wanted: np.ndarray) -> np.ndarray:
    """Float32 scales, as float64: 1 for rows of zeros."""
    with np.errstate(over="ignore"):
        single = np.maximum(wanted, np.finfo(np.float32).tiny).astype(np.float32)
    if not np.isfinite(single).all():
        raise RangeError("x must be within the range of float32")
    return np.where(wanted > 0, single.astype(np.float64), 1.0)
