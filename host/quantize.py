"""Float weights to `QuantizedMatrix`: round to nearest, per row or group, and ternary.

No calibration data is used; better codes from elsewhere (GPTQ, AWQ, trained ones) enter through
`QuantizedMatrix.from_codes`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from .errors import DtypeError, RangeError, ShapeError
from .packed_codes import row_slices
from .quantized_matrix import QuantizedMatrix

__all__ = ["quantize_rtn", "quantize_ternary"]

_TINY = np.float32(1e-30)
#: Weights that are rounded at a time.
_SLAB = 1 << 16


def quantize_rtn(
    weights: np.ndarray,
    bits: int,
    *,
    group_size: int | None = None,
    symmetric: bool = True,
    scale_bits: int = 8,
) -> QuantizedMatrix:
    """Round to nearest, ``w ~ scale * (q - z)``.

    With ``lo = min(w)`` and ``hi = max(w)`` of a row or group:

    - symmetric: ``z = 2**(bits-1)``, ``scale = max(hi / (z - 1), -lo / z)``, the smallest that
      clips nothing. One bit: codes mean -1 and +1, ``scale = mean |w|``, which is the
      least-squares choice (XNOR-Net; Rastegari et al., 2016).
    - with zero point: ``scale = (hi - lo) / (2**bits - 1)``, ``z = rint(-lo / scale)``, the range
      widened to include 0.

    Group scales have two levels, an unsigned integer per group times a float32 per row: the row
    scale is the row's largest group scale divided by ``2**scale_bits - 1``, the integer the
    group's share of it, rounded up, and the codes are those for the rounded scale. All that the
    accelerator computes stays integer that way.

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    bits : int
        1 to 8.
    group_size : int, optional
        Inputs that share a scale; by default the whole row.
    symmetric : bool
    scale_bits : int
        Width of the group scales, at most `Config.scale_bits` of the accelerator.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    _check(weights)
    if not isinstance(bits, int) or isinstance(bits, bool):
        raise DtypeError(f"bits must be an int, not {bits!r}")
    if not 1 <= bits <= 8:
        raise RangeError(f"bits must be from 1 to 8, not {bits}")
    if group_size is not None and group_size < 1:
        raise RangeError(f"group_size must be at least 1, not {group_size}")
    n, k = weights.shape
    width = k if group_size is None else min(group_size, k)
    groups = -(-k // width)
    if groups > 1 and not 1 <= scale_bits <= 16:
        raise RangeError(f"scale_bits must be from 1 to 16 for groups, not {scale_bits}")
    codes, row_scales = np.empty((n, k), np.uint8), np.empty(n, np.float32)
    scales = np.empty((n, groups), np.uint16) if groups > 1 else None
    zeros = None if symmetric else np.empty((n, groups), np.uint8)
    for rows in row_slices((n, k), _SLAB):
        found = _rounded(_float32(weights[rows]), bits, width, symmetric, scale_bits)
        codes[rows], row_scales[rows] = found.codes, found.row_scales
        if scales is not None:
            scales[rows] = found.group_scales
        if zeros is not None:
            zeros[rows] = found.zeros
    return QuantizedMatrix.from_codes(
        codes,
        bits,
        group_size=group_size,
        zero_points=zeros,
        group_scales=scales,
        row_scales=row_scales,
    )


class _Rounded(NamedTuple):
    """Some rows of a result; grids that it does not have are of no meaning."""

    codes: np.ndarray
    zeros: np.ndarray
    group_scales: np.ndarray
    row_scales: np.ndarray


def _rounded(w: np.ndarray, bits: int, width: int, symmetric: bool, scale_bits: int) -> _Rounded:
    k = w.shape[1]
    starts = np.arange(0, k, width)
    low = np.minimum(np.minimum.reduceat(w, starts, axis=1), 0)
    high = np.maximum(np.maximum.reduceat(w, starts, axis=1), 0)

    top = (1 << bits) - 1
    middle = 1 << bits - 1
    bipolar = symmetric and bits == 1
    if bipolar:
        lengths = np.diff(np.append(starts, k)).astype(np.float32)
        scale = np.add.reduceat(np.abs(w), starts, axis=1) / lengths
    elif symmetric:
        scale = np.maximum(high / max(middle - 1, 1), -low / middle)
    else:
        scale = (high - low) / top
    scale = np.maximum(scale, _TINY)

    group_scales = np.ones_like(scale)
    row_scales = scale[:, 0]
    if len(starts) > 1:
        most = (1 << scale_bits) - 1
        row_scales = scale.max(1) / np.float32(most)
        group_scales = np.clip(np.ceil(scale / row_scales[:, None] - 1e-4), 1, most)
        scale = row_scales[:, None] * group_scales

    per_input = np.repeat(scale, width, axis=1)[:, :k]
    zeros = np.full_like(scale, middle)
    if bipolar:
        codes = (w >= 0).astype(np.uint8)
    else:
        if not symmetric:
            zeros = np.clip(np.rint(-low / scale), 0, top)
        offset = np.repeat(zeros, width, axis=1)[:, :k]
        codes = np.clip(np.rint(w / per_input) + offset, 0, top).astype(np.uint8)
    return _Rounded(codes, zeros, group_scales, row_scales)


def quantize_ternary(
    weights: np.ndarray, *, per: Literal["tensor", "row"] = "tensor"
) -> QuantizedMatrix:
    """Weights -1, 0 and +1 by the absolute mean, as in BitNet b1.58.

    ``scale = mean |W|``, ``w = clip(rint(W / scale), -1, 1)`` (Ma et al., 2024,
    arXiv:2402.17764). Codes are ``w + 1``, two bits with zero point 1.

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    per : {"tensor", "row"}
        What has one scale.
    """
    _check(weights)
    if per not in ("tensor", "row"):
        raise RangeError(f"per must be 'tensor' or 'row', not {per!r}")
    n, k = weights.shape
    codes, scale = np.empty((n, k), np.uint8), np.empty(n, np.float32)
    if per == "tensor":
        total = sum(float(np.abs(_float32(weights[rows])).sum(dtype=np.float64))
                    for rows in row_slices((n, k), _SLAB))  # fmt: skip
        scale[:] = max(total / (n * k), float(_TINY))
    for rows in row_slices((n, k), _SLAB):
        w = _float32(weights[rows])
        if per == "row":
            scale[rows] = np.maximum(np.abs(w).mean(1), _TINY)
        codes[rows] = np.clip(np.rint(w / scale[rows, None]), -1, 1) + 1
    return QuantizedMatrix.from_codes(codes, 2, zero_points=1, row_scales=scale)


def _float32(weights: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(weights, np.float32)


def _check(weights: np.ndarray) -> None:
    if not isinstance(weights, np.ndarray) or not np.issubdtype(weights.dtype, np.floating):
        found = weights.dtype if isinstance(weights, np.ndarray) else type(weights).__name__
        raise DtypeError(f"weights must be a float array, not {found}")
    if weights.ndim != 2 or 0 in weights.shape:
        raise ShapeError(f"weights must have shape [N, K], both at least 1, not {weights.shape}")
    if not all(np.isfinite(weights[rows]).all() for rows in row_slices(weights.shape)):
        raise RangeError("weights must be finite")
