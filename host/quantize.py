"""Float weights to `QuantizedMatrix`: round to nearest, per row or group, and ternary.

No calibration data is used; better codes from elsewhere (GPTQ, AWQ, trained ones) enter through
`QuantizedMatrix.from_codes`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .errors import DtypeError, RangeError, ShapeError
from .quantized_matrix import QuantizedMatrix

__all__ = ["quantize_rtn", "quantize_ternary"]

_TINY = np.float32(1e-30)


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
    w = _checked(weights)
    if not isinstance(bits, int) or isinstance(bits, bool):
        raise DtypeError(f"bits must be an int, not {bits!r}")
    if not 1 <= bits <= 8:
        raise RangeError(f"bits must be from 1 to 8, not {bits}")
    if group_size is not None and group_size < 1:
        raise RangeError(f"group_size must be at least 1, not {group_size}")
    k = w.shape[1]
    width = k if group_size is None else min(group_size, k)
    groups = -(-k // width)
    if groups > 1 and not 1 <= scale_bits <= 16:
        raise RangeError(f"scale_bits must be from 1 to 16 for groups, not {scale_bits}")
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

    group_scales = None
    row_scales = scale[:, 0]
    if groups > 1:
        most = (1 << scale_bits) - 1
        row_scales = scale.max(1) / np.float32(most)
        group_scales = np.clip(np.ceil(scale / row_scales[:, None] - 1e-4), 1, most)
        scale = row_scales[:, None] * group_scales
        group_scales = group_scales.astype(np.int64)

    per_input = np.repeat(scale, width, axis=1)[:, :k]
    zeros = None
    if bipolar:
        codes = (w >= 0).astype(np.uint8)
    else:
        if symmetric:
            offset = np.float32(middle)
        else:
            zeros = np.clip(np.rint(-low / scale), 0, top).astype(np.int64)
            offset = np.repeat(zeros, width, axis=1)[:, :k]
        codes = np.clip(np.rint(w / per_input) + offset, 0, top).astype(np.uint8)
    return QuantizedMatrix.from_codes(
        codes,
        bits,
        group_size=group_size,
        zero_points=zeros,
        group_scales=group_scales,
        row_scales=row_scales.astype(np.float32),
    )


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
    w = _checked(weights)
    if per not in ("tensor", "row"):
        raise RangeError(f"per must be 'tensor' or 'row', not {per!r}")
    absolute = np.abs(w)
    mean = absolute.mean(1) if per == "row" else np.full(len(w), absolute.mean())
    scale = np.maximum(mean, _TINY).astype(np.float32)
    codes = (np.clip(np.rint(w / scale[:, None]), -1, 1) + 1).astype(np.uint8)
    return QuantizedMatrix.from_codes(codes, 2, zero_points=1, row_scales=scale)


def _checked(weights: np.ndarray) -> np.ndarray:
    if not isinstance(weights, np.ndarray) or not np.issubdtype(weights.dtype, np.floating):
        found = weights.dtype if isinstance(weights, np.ndarray) else type(weights).__name__
        raise DtypeError(f"weights must be a float array, not {found}")
    if weights.ndim != 2 or 0 in weights.shape:
        raise ShapeError(f"weights must have shape [N, K], both at least 1, not {weights.shape}")
    if not np.isfinite(weights).all():
        raise RangeError("weights must be finite")
    return weights.astype(np.float32)
