"""Model files of others: GGUF, safetensors (GPTQ, AWQ, BitNet) and ONNX, loaded lazily."""

from .encode import EncodedTensor, encode
from .errors import (
    DamagedFileError,
    MissingPackageError,
    ModelFileError,
    UnknownTensorError,
    UnsupportedTensorError,
)
from .grouped_codes import GroupedCodes
from .imported_tensor import ImportedTensor, PlainTensor
from .load import load_model
from .model import Model

__all__ = [
    "DamagedFileError",
    "EncodedTensor",
    "GroupedCodes",
    "ImportedTensor",
    "MissingPackageError",
    "Model",
    "ModelFileError",
    "PlainTensor",
    "UnknownTensorError",
    "UnsupportedTensorError",
    "encode",
    "load_model",
]
