"""Products of real activations in any format with weights on a device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .accelerator import Accelerator
from .activation_formats import FormattedActivations, format_activations
from .block_scaling import block_of_inputs, block_scaled
from .device_activations import encode_activations
from .quantized_matrix import QuantizedMatrix

__all__ = ["FloatMatrix"]

#: Rows whose weights are summed up at a time.
_SLAB = 256
#: Rounding of the result to float32, and before that of an integer and two products to float64.
_ROUNDING = 2.0**-24 + 2.0**-50


class FloatMatrix:
    """Weights on a device that take activations in any of the formats.

    The device computes the integer sums, exactly; scales, exponents of rows and zero points of
    activations are applied to them in float64, and the result is rounded once, to float32:

        y[m, n] = s[m] * 2**reference[m] * row_scale[n] * (acc[m, n] - z[m] * sum_k w[n, k])

    uint8 activations go to the device less 128, so that z is the zero point less 128; for bipolar
    ones, which are odd, acc is twice the device's sums, and z is -1.

    Parameters
    ----------
    device : Accelerator
    weights : QuantizedMatrix

    Raises
    ------
    UnsupportedFormatError, OutOfDeviceMemoryError
        As `Accelerator.load`.

    Examples
    --------
    >>> weights = QuantizedMatrix.from_codes(np.full((3, 5), 3, np.uint8), 2)
    >>> with Accelerator.open("golden", config="w4a8_bf16") as device:
    ...     FloatMatrix(device, weights).matmul(np.full((1, 5), 0.5), format="bf16")
    array([[2.5, 2.5, 2.5]], dtype=float32)
    """

    def __init__(self, device: Accelerator, weights: QuantizedMatrix) -> None:
        self._device = device
        self._loaded = device.load(replace(weights, row_scales=None))
        n = weights.rows
        scales = weights.row_scales
        self._row_scales = np.ones(n) if scales is None else scales.astype(np.float64)
        layout = self._loaded.layout
        starts = np.searchsorted(block_of_inputs(layout), np.arange(layout.k_blocks))
        self._sums = np.zeros(n, np.int64)
        self._magnitudes = np.zeros((n, layout.k_blocks))  # sum of |w| over each K block
        for first in range(0, n, _SLAB):
            rows = slice(first, first + _SLAB)
            integers = weights.integers(rows)
            self._sums[rows] = integers.sum(1)
            self._magnitudes[rows] = np.add.reduceat(np.abs(integers), starts, axis=1)

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self._loaded.shape

    def matmul(
        self,
        x: np.ndarray | FormattedActivations,
        *,
        format: str = "bf16",
        mantissa_bits: int | None = None,
    ) -> np.ndarray:
        """``Y[M, N] = X[M, K] @ W[N, K].T`` with X in a format.

        Parameters
        ----------
        x : ndarray ``[M, K]``, or FormattedActivations
            See `lutra.host.activation_formats.format_activations`.
        format : str
            Of an array.
        mantissa_bits : int, optional
            Of floating-point formats, with the sign; by default `Config.act_bits`.

        Returns
        -------
        ndarray of float32, shape ``[M, N]``
            Of exact integer activations, without row scales: the exact integers, rounded.

        Raises
        ------
        UnsupportedFormatError
            The device has no exponents, or narrower activations.
        DtypeError, ShapeError, RangeError
        """
        acts = x if isinstance(x, FormattedActivations) else format_activations(x, format)
        coded = encode_activations(acts, self._loaded.layout, mantissa_bits=mantissa_bits)
        serial = self._device.config.pe == "bitserial"
        acc = self._device.matmul(
            coded.integers,
            self._loaded,
            exponents=coded.exponents,
            act_bits=coded.bits if serial else None,
        )
        acc = coded.sums(acc, self._sums)
        with np.errstate(over="ignore", under="ignore"):
            return (acc * coded.factors[:, None] * self._row_scales).astype(np.float32)

    def error_bound(
        self,
        x: np.ndarray | FormattedActivations,
        *,
        format: str = "bf16",
        mantissa_bits: int | None = None,
    ) -> np.ndarray:
        """What `matmul` is off by at most, float64 ``[M, N]``, where its tables are exact.

        With the units ``2**e`` of `lutra.host.block_scaling` and ``delta`` the rounding to the
        format, against the product of `x` as given:

            row_scale (s sum_b 2**(e_b - 1) sum_{k in b} |w_k| + sum_k delta_k |w_k|)
            + 2**-24 |y| + 2**-150
        """
        acts = x if isinstance(x, FormattedActivations) else format_activations(x, format)
        blocks = block_of_inputs(self._loaded.layout)
        starts = np.searchsorted(blocks, np.arange(self._loaded.layout.k_blocks))
        errors = np.maximum.reduceat(acts.errors, starts, axis=1)
        largest = np.maximum.reduceat(np.abs(acts.reals), starts, axis=1)
        if acts.floating:
            bits = self._device.config.act_bits if mantissa_bits is None else mantissa_bits
            coded = block_scaled(acts.values, self._loaded.layout, mantissa_bits=bits)
            half = coded.units / 2
            errors = errors + half * acts.scales[:, None]
        scales = np.abs(self._row_scales)
        wrong = errors @ self._magnitudes.T * scales
        most = (largest + errors) @ self._magnitudes.T * scales
        return wrong * (1 + 2.0**-30) + most * _ROUNDING + 2.0**-150

    def free(self) -> None:
        """Give the device's memory back. Freeing twice does nothing."""
        self._loaded.free()
