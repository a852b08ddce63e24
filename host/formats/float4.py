"""FP4 (e2m1), MXFP4 and NVFP4: doubled, every element is an integer of five planes."""

from __future__ import annotations

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantized_matrix import QuantizedMatrix
from .codebook import from_codebook
from .encoded import Encoded
from .group_scales import integer_scales
from .nearest import encode_nearest, per_input
from .plane_search import planes_for

__all__ = [
    "E2M1_DOUBLED",
    "MX_BLOCK",
    "NV_BLOCK",
    "e4m3_values",
    "e8m0_values",
    "from_e2m1",
    "from_mxfp4",
    "from_nvfp4",
]

#: Twice the value of each e2m1 code: sign, two bits of exponent (bias 1), one of mantissa.
E2M1_DOUBLED = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)

#: Inputs that share a scale: OCP Microscaling Formats 1.0; NVIDIA's NVFP4.
MX_BLOCK, NV_BLOCK = 32, 16


def e8m0_values(codes: np.ndarray) -> np.ndarray:
    """``2**(code - 127)`` of e8m0 codes, as float64.

    Raises
    ------
    RangeError
        A code is 255, not a number.
    """
    _check_codes(codes, "scales")
    if int(codes.max()) == 0xFF:
        raise RangeError("scales must be numbers, not the e8m0 code 255 (NaN)")
    return np.ldexp(np.ones(codes.shape), codes.astype(np.int32) - 127)


def e4m3_values(codes: np.ndarray) -> np.ndarray:
    """Values of e4m3 codes (bias 7, no infinities: the ``fn`` variant), as float64.

    ``(-1)**s 2**(e-7) (1 + m/8)``, or ``(-1)**s 2**-6 m/8`` where e is 0.

    Raises
    ------
    RangeError
        A code is 127 or 255, not a number.
    """
    _check_codes(codes, "scales")
    if ((codes & 0x7F) == 0x7F).any():
        raise RangeError("scales must be numbers, not the e4m3 codes 127 and 255 (NaN)")
    exponent = (codes >> 3 & 15).astype(np.int32)
    mantissa = (codes & 7).astype(np.float64) + np.where(exponent > 0, 8.0, 0.0)
    value = np.ldexp(mantissa, np.maximum(exponent, 1) - 10)
    return np.where(codes >> 7, -value, value)


def from_e2m1(codes: np.ndarray, *, row_scales: np.ndarray | None = None) -> QuantizedMatrix:
    """FP4 weights ``row_scale * e2m1(code)``, exact.

    The elements 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, doubled, are fifteen integers that
    take five planes; no four planes have them all. The half goes into the row scales.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below 16: sign, two bits of exponent, one of mantissa.
    row_scales : ndarray of floats, shape ``[N]``, optional
    """
    _check_codes(codes, "codes")
    scales = np.ones(len(codes)) if row_scales is None else np.asarray(row_scales)
    return from_codebook(codes, E2M1_DOUBLED, row_scales=(scales / 2).astype(np.float32))


def from_mxfp4(codes: np.ndarray, scales: np.ndarray, *, scale_bits: int = 8) -> Encoded:
    """MXFP4 weights ``2**(scale - 127) * e2m1(code)``, exact where the scales of a row are near.

    Powers of two in one row become integer group scales if the largest is at most
    ``2**(scale_bits - 1)`` times the smallest (blocks of zeros do not count); the row scale carries
    the rest. In rows where they are further apart, the elements of the smallest blocks are
    rounded to the unit of the row: off by at most ``2**-scale_bits / 12`` of the largest number
    that the row's largest scale allows. `lutra.host.formats.scale_split` has no such limit.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below 16.
    scales : ndarray of uint8, shape ``[N, ceil(K / 32)]``
        e8m0 codes, 255 (NaN) refused.
    scale_bits : int
        As in `Config`.

    Source: OCP Microscaling Formats (MX) Specification 1.0, 2023, sections 5.3.3, 5.4 and 6.3.
    """
    return _from_blocks(codes, e8m0_values(scales), MX_BLOCK, scale_bits)


def from_nvfp4(
    codes: np.ndarray,
    scales: np.ndarray,
    *,
    tensor_scale: float = 1.0,
    scale_bits: int = 8,
) -> Encoded:
    """NVFP4 weights ``tensor_scale * e4m3(scale) * e2m1(code)``, exact where scales are near.

    An e4m3 scale is ``m * 2**e`` with m up to 15. In a row they are integers of their common power
    of two, exact if these fit `scale_bits`: always where they span five binades, for eight bits. In
    other rows, scales and then elements are rounded to the nearest.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below 16.
    scales : ndarray of uint8, shape ``[N, ceil(K / 16)]``
        e4m3 codes, not negative, NaN refused.
    tensor_scale : float
        float32; one of the tensor.
    scale_bits : int
        As in `Config`.

    Source: NVIDIA, *Pretraining Large Language Models with NVFP4*, 2025, arXiv:2509.25149.
    """
    values = e4m3_values(scales)
    if float(values.min()) < 0:
        raise RangeError("scales must not be negative")
    encoded = _from_blocks(codes, values, NV_BLOCK, scale_bits)
    single = np.float32(tensor_scale)
    if not np.isfinite(single) or single <= 0:
        raise RangeError(f"tensor_scale must be positive and finite, not {tensor_scale!r}")
    return encoded._replace(matrix=_times(encoded.matrix, single))


def _from_blocks(codes: np.ndarray, values: np.ndarray, block: int, scale_bits: int) -> Encoded:
    _check_codes(codes, "codes")
    if int(codes.max()) > 15:
        raise RangeError(f"codes must be below 16, not {int(codes.max())}")
    groups = -(-codes.shape[1] // block)
    if values.shape != (len(codes), groups):
        raise ShapeError(f"scales must have shape {(len(codes), groups)}, not {values.shape}")
    doubled = np.array(E2M1_DOUBLED, np.float64)[codes]
    weights = doubled * per_input(values / 2, block, codes.shape[1])
    # A block of zeros needs no scale, and must not cost the others theirs.
    starts = np.arange(0, codes.shape[1], block)
    used = np.add.reduceat(doubled != 0, starts, axis=1) > 0
    scales = integer_scales(np.where(used, values / 2, 0), scale_bits=scale_bits)
    chosen = planes_for(E2M1_DOUBLED, grouped=True)
    return encode_nearest(weights, chosen, scales, group_size=block)


def _times(matrix: QuantizedMatrix, factor: np.float32) -> QuantizedMatrix:
    assert matrix.row_scales is not None
    return QuantizedMatrix(
        codes=matrix.codes,
        bits=matrix.bits,
        planes=matrix.planes,
        offset=matrix.offset,
        halve=matrix.halve,
        group_size=matrix.group_size,
        group_scales=matrix.group_scales,
        row_scales=matrix.row_scales * factor,
    )


def _check_codes(codes: np.ndarray, name: str) -> None:
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"{name} must be a uint8 array, not {found}")
    if codes.ndim != 2 or 0 in codes.shape:
        raise ShapeError(f"{name} must have shape [N, ...], not empty, not {codes.shape}")
