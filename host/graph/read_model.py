"""ONNX models as the compiler takes them: typed, constants as initializers, outputs as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto

from .errors import GraphError

__all__ = ["read_onnx", "unwrap_maps"]


def read_onnx(path: str | Path) -> ModelProto:
    """A model with the types and shapes that can be inferred; constants are initializers.

    A ``ZipMap`` that makes maps of an output's columns is taken out (`unwrap_maps`).

    Raises
    ------
    GraphError
        The file is no ONNX model, or an inconsistent one.
    OSError
    """
    try:
        model = onnx.load(path)
        if not model.graph.output:
            raise GraphError(f"{path} is no ONNX model: it has no outputs")
        unwrap_maps(model)
        _say_types(model)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (OSError, GraphError):
        raise
    except Exception as error:  # protobuf's and onnx's own, which share no base
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GraphError(f"{path} is no ONNX model: {first}") from error
    graph = model.graph
    kept = []
    for node in graph.node:
        tensor = _constant(node)
        if tensor is None:
            kept.append(node)
        else:
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(kept)
    return model


def unwrap_maps(model: ModelProto) -> bool:
    """Outputs that are maps, one for every row, become the matrix that they are made of.

    scikit-learn's classifiers are exported with probabilities as maps from class to number: the
    operator ``ZipMap`` behind a tensor ``[M, classes]``. Columns keep the order of the classes.

    Returns
    -------
    bool
        There were such outputs.
    """
    graph = model.graph
    outputs = {output.name: output for output in graph.output}
    maps = [n for n in graph.node if n.op_type == "ZipMap" and n.output[0] in outputs]
    for node in maps:
        outputs[node.output[0]].ClearField(
            "type"
        )  # which shape inference finds: numbers of either width
        node.CopyFrom(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]]))
    return bool(maps)


def _say_types(model: ModelProto) -> None:
    """Types of what shape inference does not know: products of onnxruntime's own operators."""
    graph = model.graph
    types = {t.name: t.data_type for t in graph.initializer}
    known = {info.name for info in (*graph.value_info, *graph.output)}
    for node in graph.node:
        if node.op_type != "MatMulNBits" or node.output[0] in known or len(node.input) < 3:
            continue
        if kind := types.get(node.input[2]):
            info = onnx.helper.make_tensor_value_info(node.output[0], kind, None)
            graph.value_info.append(info)


def _constant(node: NodeProto) -> TensorProto | None:
    """The value of a ``Constant`` node as an initializer."""
    if node.op_type != "Constant" or node.domain != "":
        return None
    (attribute,) = node.attribute
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(value)
    elif attribute.name in ("value_float", "value_floats"):
        tensor = onnx.numpy_helper.from_array(np.array(value, np.float32))
    elif attribute.name in ("value_int", "value_ints"):
        tensor = onnx.numpy_helper.from_array(np.array(value, np.int64))
    else:
        return None
    tensor.name = node.output[0]
    return tensor
