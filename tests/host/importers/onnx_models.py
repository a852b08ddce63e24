"""Small ONNX models, and what onnxruntime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TYPES = {
    "FLOAT": TensorProto.FLOAT,
    "FLOAT16": TensorProto.FLOAT16,
    "UINT8": TensorProto.UINT8,
    "INT8": TensorProto.INT8,
    "UINT4": TensorProto.UINT4,
    "INT4": TensorProto.INT4,
    "UINT2": TensorProto.UINT2,
    "INT2": TensorProto.INT2,
    "INT32": TensorProto.INT32,
}


def constant(name: str, values: np.ndarray, kind: str | None = None) -> TensorProto:
    """An initialiser; integers of less than 8 bits are packed into its raw data."""
    if kind is None:
        return numpy_helper.from_array(values, name)
    bits = int(kind.lstrip("UINT"))
    if bits == 8:
        return helper.make_tensor(name, TYPES[kind], values.shape, values.tobytes(), raw=True)
    flat = values.ravel().astype(np.int64) & (1 << bits) - 1
    per_byte = 8 // bits
    flat = np.pad(flat, (0, -len(flat) % per_byte)).reshape(-1, per_byte)
    packed = (flat << bits * np.arange(per_byte)).sum(1).astype(np.uint8)
    return helper.make_tensor(name, TYPES[kind], values.shape, packed.tobytes(), raw=True)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node of one output, in the domain that its operator is of."""
    domain = {"MatMulNBits": "com.microsoft"}.get(kind, "")
    if kind in ("Quant", "BipolarQuant"):
        domain = "qonnx.custom_op.general"
    return helper.make_node(kind, inputs, [output], domain=domain, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[TensorProto],
    *,
    inputs: Mapping[str, str] | None = None,
    output: str = "y",
    output_type: str = "FLOAT",
    opset: int = 21,
) -> onnx.ModelProto:
    """A model of `nodes`; inputs of any shape, by name and type."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, TYPES[t], None) for n, t in (inputs or {}).items()],
        [helper.make_tensor_value_info(output, TYPES[output_type], None)],
        list(constants),
    )
    domains = [("", opset), ("com.microsoft", 1), ("qonnx.custom_op.general", 1)]
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*domain) for domain in domains]
    )
    made.ir_version = 10
    return made


def run(made: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    """What onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # As written: no constant folding, no fusions.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def save(made: onnx.ModelProto, folder: Path, name: str = "m.onnx", **options: Any) -> Path:
    """Write a model."""
    path = folder / name
    onnx.save(made, path, **options)
    return path
