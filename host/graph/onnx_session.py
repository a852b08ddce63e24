"""Opening a model in onnxruntime, an extra of this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from ..errors import LutraError
from .errors import CompiledModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_session", "runtime_types"]

#: onnxruntime's names of types.
_KINDS = {
    "float": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "string": 8,
    "bool": 9, "float16": 10, "double": 11, "uint32": 12, "uint64": 13, "bfloat16": 16,
}  # fmt: skip


def open_session(model: bytes | Path) -> InferenceSession:
    """A serialised model or a file in onnxruntime, on the processor, one thread.

    Raises
    ------
    LutraError
        onnxruntime is not installed.
    CompiledModelError
        It refuses the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise LutraError(
            "what is not on the device runs in onnxruntime: pip install 'lutra[models]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = 1
    try:
        source = str(model) if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which share no public base
        raise CompiledModelError(f"onnxruntime refuses a part of the model: {error}") from error


def runtime_types(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, int]:
    """ONNX's numbers of the types that onnxruntime finds for tensors of a model.

    Where it refuses the model, or knows no type, tensors are left out.
    """
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    try:
        outputs = open_session(asked.SerializeToString()).get_outputs()
    except (LutraError, ValueError):  # protobuf's: larger than 2 GB
        return {}
    kinds = {f"tensor({kind})": number for kind, number in _KINDS.items()}
    return {o.name: kinds[o.type] for o in outputs if o.type in kinds and o.name in set(names)}
