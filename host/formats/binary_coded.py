"""Binary-coded weights: planes of -1 and +1 that each have a scale of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantized_matrix import Plane, QuantizedMatrix
from .composite import CompositeMatrix, Part
from .encoded import Encoded, compare
from .group_scales import integer_scales
from .nearest import per_input

__all__ = ["BinaryCoded", "encode_binary"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BinaryCoded:
    """``w[n, k] = sum_i scale[i, n, g(k)] (2 bit[i, n, k] - 1) + offset[n, g(k)]``.

    The weights of LUT-GEMM (Park et al., ICLR 2024, arXiv:2206.09557), of ShiftAddLLM (You et al.,
    NeurIPS 2024, arXiv:2406.05981), where scales are powers of two, and of AnyBCQ (Park et al.,
    2025, arXiv:2510.10467).

    Attributes
    ----------
    bits : ndarray of uint8 {0, 1}, shape ``[q, N, K]``
    scales : ndarray of floats, shape ``[q, N, G]``
        Not negative.
    offsets : ndarray of floats, shape ``[N, G]``, or None
    group_size : int or None
    """

    bits: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray | None = None
    group_size: int | None = None

    def __post_init__(self) -> None:
        bits, scales = self.bits, self.scales
        if bits.dtype != np.uint8 or not np.issubdtype(scales.dtype, np.floating):
            raise DtypeError(f"bits must be uint8, scales floats, not {bits.dtype}, {scales.dtype}")
        if bits.ndim != 3 or 0 in bits.shape:
            raise ShapeError(f"bits must have shape [q, N, K], not {bits.shape}")
        if int(bits.max()) > 1:
            raise RangeError(f"bits must be 0 or 1, not {int(bits.max())}")
        q, n, k = bits.shape
        wanted = (q, n, 1 if self.group_size is None else -(-k // min(self.group_size, k)))
        if scales.shape != wanted:
            raise ShapeError(f"scales must have shape {wanted}, not {scales.shape}")
        if not np.isfinite(scales).all() or float(scales.min()) < 0:
            raise RangeError("scales must be finite and not negative")
        if self.offsets is not None and self.offsets.shape != wanted[1:]:
            raise ShapeError(f"offsets must have shape {wanted[1:]}, not {self.offsets.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self.bits.shape[1], self.bits.shape[2]

    def dequantize(self) -> np.ndarray:
        """The weights as float64 ``[N, K]``."""
        k = self.shape[1]
        total = np.zeros(self.shape)
        for bits, scales in zip(self.bits, self.scales.astype(np.float64), strict=True):
            total += per_input(scales, self.group_size, k) * (2.0 * bits - 1)
        if self.offsets is not None:
            total += per_input(self.offsets.astype(np.float64), self.group_size, k)
        return total


def encode_binary(coded: BinaryCoded, *, scale_bits: int = 8) -> Encoded[CompositeMatrix]:
    """Binary-coded weights for the accelerator: exact where their scales are.

    Two forms, both of one lookup per plane and weight:

    - Where the scales of all outputs and groups stand in the same ratios of powers of two,
      ``scale[i] = 2**e_i scale[q-1]``, the planes are those of one matrix with exponents ``e_i``.
    - Else every plane is a one-bit matrix of its own, and the q of them stand side by side along
      K: ``[B_1 B_2 ...] [x; x; ...]``. A plane's scales are then group scales, and the partial sums
      add the planes up. An offset is one more plane, all bits alike.

    Scales become integers of `scale_bits` times a float32 per output: exact for powers of two up
    to ``2**(scale_bits - 1)`` apart (ShiftAddLLM), else nearest with a common unit chosen by least
    squares (`lutra.host.formats.group_scales`).

    Parameters
    ----------
    coded : BinaryCoded
    scale_bits : int
        As in `Config`.

    Returns
    -------
    Encoded of CompositeMatrix
        One part; the error is that against ``coded.dequantize()``.
    """
    exponents = _common_exponents(coded)
    if exponents is None or coded.offsets is not None:
        part = _side_by_side(coded, scale_bits)
    else:
        part = Part(matrix=_one_list(coded, exponents, scale_bits))
    return compare(CompositeMatrix(coded.shape, [part]), coded.dequantize())


def _common_exponents(coded: BinaryCoded) -> tuple[int, ...] | None:
    """Exponents of planes whose scales stand in the same powers of two everywhere, else None."""
    scales = coded.scales.astype(np.float64)
    if len(scales) > 8 or not (scales > 0).all():
        return None
    ratios = scales / scales[-1]
    mantissa, exponent = np.frexp(ratios)
    exponents = exponent[:, 0, 0] - 1
    same = (exponent - 1 == exponents[:, None, None]).all() and (mantissa == 0.5).all()
    gaps = -np.diff(exponents)
    reach = (np.left_shift(1, np.clip(exponents, 0, 30))).sum()
    if not same or (gaps < 0).any() or (gaps > 3).any() or reach > 255:
        return None
    return tuple(int(e) for e in exponents)


def _one_list(coded: BinaryCoded, exponents: tuple[int, ...], scale_bits: int) -> QuantizedMatrix:
    q = len(exponents)
    codes = np.zeros(coded.shape, np.uint8)
    for i, bits in enumerate(coded.bits):
        codes |= bits << (q - 1 - i)
    scales = integer_scales(coded.scales[-1], scale_bits=scale_bits)
    alone = coded.group_size is None
    return QuantizedMatrix(
        codes=codes,
        bits=q,
        planes=tuple(Plane(q - 1 - i, e) for i, e in enumerate(exponents)),
        group_size=coded.group_size,
        group_scales=None if alone else scales.integers,
        row_scales=coded.scales[-1][:, 0].astype(np.float32) if alone else scales.row,
    )


def _side_by_side(coded: BinaryCoded, scale_bits: int) -> Part:
    n, k = coded.shape
    width = k if coded.group_size is None else min(coded.group_size, k)
    padded = -(-k // width) * width
    planes, scales = list(coded.bits), list(coded.scales.astype(np.float64))
    if coded.offsets is not None:
        positive = per_input(coded.offsets >= 0, coded.group_size, k)
        planes.append(positive.astype(np.uint8))
        scales.append(np.abs(coded.offsets.astype(np.float64)))
    codes = np.zeros((n, len(planes), padded), np.uint8)
    codes[:, :, :k] = np.stack(planes, axis=1)
    columns = np.full((len(planes), padded), -1, np.int64)
    columns[:, :k] = np.arange(k)
    rounded = integer_scales(np.concatenate(scales, axis=1), scale_bits=scale_bits)
    matrix = QuantizedMatrix(
        codes=codes.reshape(n, -1),
        bits=1,
        planes=(Plane(0, 0),),
        group_size=width,
        group_scales=rounded.integers,
        row_scales=rounded.row,
    )
    return Part(matrix=matrix, columns=columns.reshape(-1))
