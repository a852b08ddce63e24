"""A model file as a mapping: names to matrices for the accelerator and to float arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np

from ..formats.composite import CompositeMatrix
from ..quantized_matrix import QuantizedMatrix
from .encode import EncodedTensor, encode
from .errors import UnknownTensorError, UnsupportedTensorError
from .imported_tensor import ImportedTensor, PlainTensor

__all__ = ["Model", "Quantiser", "Tensor"]

Tensor: TypeAlias = ImportedTensor | PlainTensor

#: Float weights ``[N, K]`` to a matrix, such as `lutra.host.quantize_rtn` with its bits bound.
Quantiser: TypeAlias = Callable[[np.ndarray], QuantizedMatrix]


class Model(Mapping[str, "QuantizedMatrix | CompositeMatrix | np.ndarray"]):
    """The tensors of a model file, each loaded when it is asked for; none is kept.

    ``model[name]`` is

    - of quantised tensors what `lutra.host.importers.encode` makes: a `QuantizedMatrix`, or a
      `CompositeMatrix` where the format has biases per group or reorders inputs;
    - of float matrices what `quantise` makes of them, where it is given;
    - else the array, a view of the file where NumPy has its type.

    Matrices are ``[N, K]``, outputs and inputs, whatever the file's order is.

    Parameters
    ----------
    format : str
        ``GGUF``, ``safetensors`` or ``ONNX``.
    tensors : mapping of str to ImportedTensor or PlainTensor
    metadata : mapping of str to anything, optional
        What the file says of the model.
    scale_bits : int
        Of integer group scales, as in the `Config` the matrices are for.
    exact : bool
        Keep group scales whole, in as many products as that takes.
    quantise : callable, optional
        Used for every float tensor of two dimensions.

    Attributes
    ----------
    tensors : mapping of str to ImportedTensor or PlainTensor
        The file's own side: types, shapes, codes, and `ImportedTensor.dequantize`, exact.
    """

    def __init__(
        self,
        format: str,
        tensors: Mapping[str, Tensor],
        metadata: Mapping[str, object] | None = None,
        *,
        scale_bits: int = 8,
        exact: bool = False,
        quantise: Quantiser | None = None,
    ) -> None:
        self.format, self.tensors = format, tensors
        self.metadata: Mapping[str, object] = {} if metadata is None else metadata
        self._scale_bits, self._exact, self._quantise = scale_bits, exact, quantise

    def __getitem__(self, name: str) -> QuantizedMatrix | CompositeMatrix | np.ndarray:
        tensor = self.tensor(name)
        if isinstance(tensor, ImportedTensor):
            return self.encode(name).matrix
        array = tensor.read()
        if self._quantise is None or array.ndim != 2 or array.dtype.kind != "f":
            return array
        return self._quantise(np.asarray(array, np.float32))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def tensor(self, name: str) -> Tensor:
        """The file's side of a tensor; nothing is read.

        Raises
        ------
        UnknownTensorError
        """
        try:
            return self.tensors[name]
        except KeyError:
            raise UnknownTensorError(
                f"name must be one of the model's {len(self.tensors)} tensors, not {name!r}"
            ) from None

    def encode(self, name: str) -> EncodedTensor:
        """A quantised tensor as the accelerator has it, with its error measured and bounded.

        Raises
        ------
        UnknownTensorError
        UnsupportedTensorError
            The tensor is not quantised.
        DamagedFileError, RangeError
            As `lutra.host.importers.encode`.
        """
        tensor = self.tensor(name)
        if isinstance(tensor, PlainTensor):
            if tensor.refusal:
                raise UnsupportedTensorError(tensor.refusal)
            raise UnsupportedTensorError(
                f"tensor {name!r} must be quantised, not {tensor.type}: give load_model a quantiser"
            )
        return encode(tensor, scale_bits=self._scale_bits, exact=self._exact)
