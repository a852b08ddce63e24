"""Small ONNX graphs for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from lutra.host.graph.read_model import read_onnx
from lutra.host.graph.tensors import Tensors


def save_graph(
    path: Path,
    nodes: list[NodeProto],
    *,
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, int],
    constants: dict[str, np.ndarray],
    opset: int = 17,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, t, shape) for n, (t, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = 9
    onnx.save(model, path)
    return path


def attention_graph(path: Path, *, width: int = 64, outputs: int = 100) -> Path:
    """Three projections of one tensor, a dynamic product between two of them, and a Gemm."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(width)).astype(np.float32)

    node = helper.make_node
    return save_graph(
        path,
        [
            node("MatMul", ["x", "wq"], ["q"]),
            node("MatMul", ["x", "wk"], ["k"]),
            node("MatMul", ["x", "wv"], ["v"]),
            node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
            node("MatMul", ["q", "kt"], ["scores"]),
            node("Softmax", ["scores"], ["shares"]),
            node("MatMul", ["shares", "v"], ["mixed"]),
            node("Add", ["mixed", "x"], ["sum"]),
            node("Reshape", ["sum", "flat"], ["rows"]),
            node("Gemm", ["rows", "w1", "b1"], ["hidden"], transB=1),
            node("Relu", ["hidden"], ["y"]),
        ],
        inputs={"x": (TensorProto.FLOAT, ["batch", "tokens", width])},
        outputs={"y": TensorProto.FLOAT},
        constants={
            "wq": weights(width, width) / 8,
            "wk": weights(width, width),
            "wv": weights(width, width),
            "flat": np.array([-1, width]),
            "w1": weights(outputs, width),
            "b1": weights(outputs),
        },
    )


def parsed(path: Path) -> tuple[onnx.ModelProto, Tensors]:
    model = read_onnx(path)
    return model, Tensors(model)
