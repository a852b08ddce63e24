"""Random and extreme products in any combination of formats, and what they have to give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

from .accelerator import Accelerator
from .activation_formats import BIPOLAR, NUMBER_TYPES, format_activations
from .block_scaling import block_of_inputs
from .device_activations import DeviceActivations, encode_activations
from .formats.registry import WEIGHTS
from .grid_variants import GridCombination
from .matrix_layout import MatrixLayout
from .quantized_matrix import QuantizedMatrix

__all__ = ["KINDS", "GridCase", "MismatchError", "check_case"]

#: Where values are taken from: everywhere, the ends of the range, or mostly zero.
KINDS = ("random", "extreme", "sparse")


class MismatchError(AssertionError):
    """A device gave another integer than it should."""


@dataclass(frozen=True)
class GridCase:
    """Shape and kind of one product; the values follow from `seed`."""

    m: int
    n: int
    k: int
    seed: int
    weights: str = "random"
    activations: str = "random"

    def matrix(self, format: str) -> QuantizedMatrix:
        """Weights in a format: its planes, with codes, zero points and scales that it knows."""
        rng = np.random.default_rng([self.seed, self.n, self.k])
        sample = WEIGHTS[format].make()
        present = np.unique(sample.codes)
        if self.weights == "extreme":
            values = sample.code_values[present]
            present = present[[int(values.argmin()), int(values.argmax())]]
        codes = rng.choice(present, (self.n, self.k))
        width = self.k if sample.group_size is None else min(sample.group_size, self.k)
        shape = (self.n, -(-self.k // width))
        zeros, scales = sample.zero_points, sample.group_scales
        if isinstance(zeros, np.ndarray):
            zeros = self._like(rng, zeros, shape, self.weights)
        if scales is not None:
            scales = self._like(rng, scales, shape, self.weights)
        if self.weights == "sparse":
            codes[:, rng.random(self.k) < 0.8] = present[0]
        return replace(sample, codes=codes, zero_points=zeros, group_scales=scales, row_scales=None)

    def acts(self, format: str) -> np.ndarray:
        """Activations ``[M, K]``, numbers of the format."""
        rng = np.random.default_rng([self.seed, self.m, self.k, 1])
        numbers = _numbers(rng, format, (self.m, self.k))
        if self.activations == "extreme":
            if format in NUMBER_TYPES:
                info = ml_dtypes.finfo(NUMBER_TYPES[format])
                ends = [info.max, -info.max, info.smallest_normal, info.smallest_subnormal]
                ends = np.array([float(end) for end in ends]).astype(numbers.dtype)
            else:
                ends = np.array(_range(format))
            return rng.choice(ends, numbers.shape).astype(numbers.dtype)
        if self.activations == "sparse":
            # Bipolar formats have no zero: +1 is what the device gets as 0.
            numbers[:, rng.random(self.k) < 0.8] = 1 if format in BIPOLAR else 0
        return numbers

    @staticmethod
    def _like(
        rng: np.random.Generator, grid: np.ndarray, shape: tuple[int, int], kind: str
    ) -> np.ndarray:
        choices = np.unique(grid)
        return rng.choice(choices[[0, -1]] if kind == "extreme" else choices, shape)


def check_case(
    combination: GridCombination, case: GridCase, golden: Accelerator, device: Accelerator | None
) -> None:
    """Run a case on both devices and compare every integer, also with plain sums.

    Raises
    ------
    MismatchError
        Where it differs, and by how much.
    """
    matrix = case.matrix(combination.weights)
    layout = MatrixLayout.of(matrix, golden.config)
    acts = format_activations(case.acts(combination.activations), combination.activations)
    coded = encode_activations(acts, layout)
    wanted = _product(golden, matrix, coded, case)
    _check_exact(wanted, matrix, coded, layout)
    if device is not None:
        _compare(_product(device, matrix, coded, case), wanted, "the device")


def _product(
    on: Accelerator, matrix: QuantizedMatrix, coded: DeviceActivations, case: GridCase
) -> np.ndarray:
    loaded = on.load(matrix)
    try:
        return on.matmul(
            coded.integers,
            loaded,
            act_bits=coded.bits if on.config.pe == "bitserial" else None,
            exponents=coded.exponents,
            skip_zeros=case.activations == "sparse",
        )
    finally:
        loaded.free()


def _check_exact(
    found: np.ndarray, matrix: QuantizedMatrix, coded: DeviceActivations, layout: MatrixLayout
) -> None:
    """Golden against integer sums; quantised tables against what they can be off by."""
    c, x = layout.config, coded.integers
    exponents = coded.exponents
    if exponents is None:
        exponents = np.zeros((len(x), layout.k_blocks), np.int64)
    weights = matrix.integers()
    exact = (x << exponents[:, block_of_inputs(layout)]) @ weights.T
    if not c.table_bits:
        _compare(found, exact, "golden")
        return
    largest = 1 if matrix.group_scales is None else int(matrix.group_scales.max())
    each = (layout.lowering.magnitude * c.tables * largest) << c.max_table_shift
    bound = (each << exponents).sum(1)[:, None]
    if not (np.abs(found - exact) <= bound).all():
        raise MismatchError(f"golden is off by {np.abs(found - exact).max()}, more than it can be")


def _compare(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    wrong = np.argwhere(found != wanted)
    if len(wrong):
        row, output = (int(i) for i in wrong[0])
        raise MismatchError(
            f"{what} has {found[row, output]} for {wanted[row, output]} in row {row}, output "
            f"{output}; {len(wrong)} of {wanted.size} differ"
        )


def _range(format: str) -> tuple[int, int]:
    if format == "uint8":
        return 0, 255
    if format in BIPOLAR:
        top = (1 << BIPOLAR[format]) - 1
        return -top, top
    half = 1 << int(format.removeprefix("int")) - 1
    return -half, half - 1


def _numbers(rng: np.random.Generator, format: str, shape: tuple[int, int]) -> np.ndarray:
    if format not in NUMBER_TYPES:
        low, high = _range(format)
        numbers = rng.integers(low, high + 1, shape)
        return numbers | 1 if format in BIPOLAR else numbers
    kind = NUMBER_TYPES[format]
    reals = rng.normal(size=shape) * 2.0 ** rng.integers(-6, 7, shape)
    reals *= 2.0 ** rng.integers(-4, 5, (shape[0], 1))
    limit = float(ml_dtypes.finfo(kind).max)
    return np.clip(reals, -limit, limit).astype(np.float32).astype(kind)
