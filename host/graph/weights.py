"""The weights of a graph's products as matrices that a device takes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..formats.composite import CompositeMatrix
from ..importers.imported_tensor import ImportedTensor, PlainTensor
from ..importers.load import load_model
from ..quantize import quantize_rtn
from ..quantized_matrix import QuantizedMatrix
from .errors import GraphError
from .products import Product
from .tensors import Tensors

__all__ = ["GraphWeights", "Weights"]

Weights: TypeAlias = QuantizedMatrix | CompositeMatrix


class GraphWeights:
    """Quantises what a model has in floating point, and takes what is quantised as it is.

    Parameters
    ----------
    path : str or Path
        The model.
    tensors : Tensors
    bits, group_size, symmetric, scale_bits
        As of `lutra.host.quantize_rtn`.

    Attributes
    ----------
    notes : dict of str to str
        How each matrix came about, by the name of its weights.
    left : dict of str to str
        Why products are not on the device, by the name of their node.
    """

    def __init__(
        self,
        path: str | Path,
        tensors: Tensors,
        *,
        bits: int,
        group_size: int | None,
        symmetric: bool,
        scale_bits: int,
    ) -> None:
        self._tensors = tensors
        self._bits, self._group_size, self._symmetric = bits, group_size, symmetric
        self._scale_bits = max(scale_bits, 1)
        self._model = load_model(path, scale_bits=self._scale_bits)
        self.notes: dict[str, str] = {}
        self.left: dict[str, str] = {}

    def takes(self, product: Product) -> bool:
        """Whether a product's weights can be on the device; a note says why not."""
        name = product.weight
        tensor = self._model.tensors.get(name)
        if isinstance(tensor, ImportedTensor):
            # Where products disagree on what the outputs are, it lies as the file has it.
            if tensor.turned in (None, not product.transposed):
                return True
            reason = "others take it transposed"
        elif product.quantised:
            reason = "its numbers mean something that is not read"
            if isinstance(tensor, PlainTensor):
                reason = tensor.refusal or f"{tensor.type} {list(tensor.shape)} is not read"
        elif 0 in self._tensors.constants[name].dims:
            reason = "it is empty"
        elif self._tensors.dtype(name) in ("float16", "float32", "float64"):
            return True
        else:
            reason = f"{self._tensors.dtype(name)} are no real numbers"
        self.left[product.node] = f"left to onnxruntime: {name!r}, {reason}"
        return False

    def of(self, product: Product) -> Weights:
        """Weights ``[N, K]`` of a product that `takes` is true of.

        Raises
        ------
        GraphError
            They are not finite, or scaled in a product of integers.
        DamagedFileError, RangeError
            As `lutra.host.importers.encode`.
        """
        name = product.weight
        tensor = self._model.tensors.get(name)
        if isinstance(tensor, ImportedTensor):
            encoded = self._model.encode(name)
            self.notes[name] = f"{tensor.type} as it is, rms error {encoded.rms_error:.2g}"
            if product.exact:
                _check_integer(encoded.matrix, name)
            return encoded.matrix
        return self._rounded(product)

    def _rounded(self, product: Product) -> QuantizedMatrix:
        real = self._tensors.constant(product.weight)
        with np.errstate(over="ignore"):  # what float32 does not hold is refused below
            w = np.ascontiguousarray(real if product.transposed else real.T, np.float32)
        if not np.isfinite(w).all():
            raise GraphError(f"weights {product.weight!r} must be finite")
        rounded = quantize_rtn(
            w,
            self._bits,
            group_size=self._group_size,
            symmetric=self._symmetric,
            scale_bits=self._scale_bits,
        )
        power = float(np.mean(np.square(w)))
        error = float(np.mean((rounded.dequantize() - w) ** 2))
        rms = (error / power) ** 0.5 if power else 0.0
        self.notes[product.weight] = f"rounded to {self._bits} bits, rms error {rms:.2g}"
        return rounded


def _check_integer(matrix: Weights, name: str) -> None:
    parts = [matrix] if isinstance(matrix, QuantizedMatrix) else [p.matrix for p in matrix.parts]
    if any(m.row_scales is not None and (m.row_scales != 1).any() for m in parts):
        raise GraphError(f"weights {name!r} of a product of integers must not be scaled")
