"""A matrix that was re-encoded, and how far it is from what it should be."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ..quantized_matrix import QuantizedMatrix
from .composite import CompositeMatrix

__all__ = ["Encoded", "compare", "real_weights"]

_Matrix = TypeVar("_Matrix", QuantizedMatrix, CompositeMatrix)


class Encoded(NamedTuple, Generic[_Matrix]):
    """A re-encoded matrix and its error against the values it stands for.

    Attributes
    ----------
    matrix : QuantizedMatrix or CompositeMatrix
    max_error : float
        ``max |w' - w| / max |w|``; 0 where the encoding is exact.
    rms_error : float
        ``sqrt(sum (w' - w)**2 / sum w**2)``.
    """

    matrix: _Matrix
    max_error: float
    rms_error: float

    @property
    def exact(self) -> bool:
        """The matrix is what it stands for, to the last bit."""
        return self.max_error == 0


def compare(matrix: _Matrix, weights: np.ndarray) -> Encoded[_Matrix]:
    """`matrix` with its error against `weights`, floats ``[N, K]``, in float64."""
    golden = np.asarray(weights, np.float64)
    wrong = np.abs(real_weights(matrix) - golden)
    largest, power = float(np.abs(golden).max()), float((golden**2).sum())
    return Encoded(
        matrix,
        float(wrong.max()) / largest if largest else 0.0,
        float(np.sqrt((wrong**2).sum() / power)) if power else 0.0,
    )


def real_weights(matrix: QuantizedMatrix | CompositeMatrix) -> np.ndarray:
    """The weights that `matrix` stands for, as float64 ``[N, K]``, without a rounding."""
    if isinstance(matrix, CompositeMatrix):
        return matrix.dequantize()
    values = matrix.integers().astype(np.float64)
    if matrix.row_scales is not None:
        values *= matrix.row_scales.astype(np.float64)[:, None]
    return values
