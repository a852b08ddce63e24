"""Formatted activations as the integers, exponents and factors that a product on a device takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .activation_formats import BIPOLAR, FormattedActivations
from .block_scaling import block_scaled
from .errors import RangeError, UnsupportedFormatError
from .matrix_layout import MatrixLayout

__all__ = ["DeviceActivations", "encode_activations"]

#: What uint8 activations are less of on the device, whose activations are signed.
_MIDDLE = 128


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceActivations:
    """Integers for the device, and what makes activations of them.

        x[m, k] ~ factors[m] (step integers[m, k] 2**exponents[m, block of k] - zero_points[m])

    Attributes
    ----------
    integers : ndarray of int64, shape ``[M, K]``
    exponents : ndarray of int64, shape ``[M, k_blocks]``, or None
        None for integer formats.
    zero_points : ndarray of int64, shape ``[M]``
    factors : ndarray of float64, shape ``[M]``
    bits : int
        Width of the integers: activation planes of a bit-serial element.
    step : int
        2 for bipolar activations, which are odd; else 1.
    """

    integers: np.ndarray
    exponents: np.ndarray | None
    zero_points: np.ndarray
    factors: np.ndarray
    bits: int
    step: int = 1

    def sums(self, products: np.ndarray, weight_sums: np.ndarray) -> np.ndarray:
        """What products ``[M, N]`` of the integers make, with ``sum_k w`` of each output ``[N]``.

        int64, exact; times `factors` it is the product of the activations.
        """
        total = products.astype(np.int64) * self.step
        if self.zero_points.any():
            total -= self.zero_points[:, None] * weight_sums
        return total


def encode_activations(
    acts: FormattedActivations, layout: MatrixLayout, *, mantissa_bits: int | None = None
) -> DeviceActivations:
    """Activations for a product with weights of `layout`.

    Integer formats go as they are, uint8 less 128, bipolar ones ``x = 2 i + 1`` as i, whose two's
    complement has the bits of x but for the highest, inverted. Floating-point formats become
    block-scaled integers (`lutra.host.block_scaling`), whose references join the rows' scales.

    Parameters
    ----------
    acts : FormattedActivations
    layout : MatrixLayout
    mantissa_bits : int, optional
        Of floating-point formats, with the sign; by default `Config.act_bits`.

    Raises
    ------
    UnsupportedFormatError
        The device has no exponents, or narrower activations.
    RangeError
        The device has no mantissas of that width, or bipolar values are not odd.
    """
    config = layout.config
    if acts.floating:
        if not config.act_exponent_bits:
            raise UnsupportedFormatError(
                f"{acts.format} activations have an exponent for each row and K block; "
                f"configuration {config.name!r} has none (act_exponent_bits = 0)"
            )
        bits = config.act_bits if mantissa_bits is None else mantissa_bits
        coded = block_scaled(acts.values, layout, mantissa_bits=bits)
        return DeviceActivations(
            integers=coded.mantissas,
            exponents=coded.exponents,
            zero_points=acts.zero_points,
            factors=np.ldexp(acts.scales, coded.references),
            bits=bits,
        )
    bipolar = acts.format in BIPOLAR
    if bipolar:
        bits = BIPOLAR[acts.format]
    else:
        bits = 8 if acts.format == "uint8" else int(acts.format.removeprefix("int"))
    if bits > config.act_bits:
        raise UnsupportedFormatError(
            f"{acts.format} activations need act_bits of at least {bits}; configuration "
            f"{config.name!r} has {config.act_bits}"
        )
    if bipolar:
        if not (acts.values & 1).all():  # such as a column of zeros that was added
            raise RangeError(f"{acts.format} activations must be odd integers")
        return DeviceActivations(
            integers=acts.values >> 1,
            exponents=None,
            zero_points=acts.zero_points - 1,
            factors=acts.scales,
            bits=bits,
            step=2,
        )
    moved = _MIDDLE if acts.format == "uint8" else 0
    return DeviceActivations(
        integers=acts.values - moved,
        exponents=None,
        zero_points=acts.zero_points - moved,
        factors=acts.scales,
        bits=bits,
    )
