"""The tensors of an ONNX graph: who makes them, who takes them, and what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from .errors import GraphError

__all__ = ["Tensors", "inputs_of", "read_onnx"]


def read_onnx(path: str | Path) -> ModelProto:
    """A model with the types and shapes that can be inferred; constants are initializers.

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


def inputs_of(node: NodeProto) -> Iterator[str]:
    """Tensors that a node takes, those that its sub-graphs take from outside among them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for graph in graphs:
            inside = {i.name for i in graph.input} | {t.name for t in graph.initializer}
            for inner in graph.node:
                yield from (name for name in inputs_of(inner) if name not in inside)
                inside.update(inner.output)


class Tensors:
    """Look-ups of one graph.

    Parameters
    ----------
    model : ModelProto
        Of `read_onnx`.

    Attributes
    ----------
    graph : GraphProto
    constants : dict of str to TensorProto
    uses : Counter of str
        Nodes and graph outputs that take a tensor.
    """

    def __init__(self, model: ModelProto) -> None:
        self.graph: GraphProto = model.graph
        self.constants: dict[str, TensorProto] = {t.name: t for t in self.graph.initializer}
        self._producers = {name: node for node in self.graph.node for name in node.output if name}
        infos = [*self.graph.input, *self.graph.value_info, *self.graph.output]
        self._infos: dict[str, ValueInfoProto] = {info.name: info for info in infos}
        self.uses = Counter(name for node in self.graph.node for name in inputs_of(node))
        self.uses.update(output.name for output in self.graph.output)

    def producer(self, name: str) -> NodeProto | None:
        """The node that computes a tensor; None for inputs and constants."""
        return self._producers.get(name)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is an initializer."""
        return name in self.constants

    def constant(self, name: str) -> np.ndarray:
        """Value of an initializer."""
        return onnx.numpy_helper.to_array(self.constants[name])

    def rank_of_constant(self, name: str) -> int | None:
        """Dimensions of an initializer, None for other tensors."""
        return len(self.constants[name].dims) if name in self.constants else None

    def known_size(self, name: str) -> int | None:
        """Elements of a tensor, None where its shape is not known."""
        if name in self.constants:
            return int(np.prod(self.constants[name].dims, dtype=np.int64))
        info = self._infos.get(name)
        if info is None or not info.type.tensor_type.HasField("shape"):
            return None
        size = 1
        for dimension in info.type.tensor_type.shape.dim:
            if not dimension.HasField("dim_value"):
                return None
            size *= dimension.dim_value
        return size

    def info(self, name: str, *, fallback: int | None = None) -> ValueInfoProto:
        """Name and type of a tensor, as an input or output of a graph says them.

        Raises
        ------
        GraphError
            Its type could not be inferred, and there is no `fallback`.
        """
        info = self._infos.get(name)
        if info is not None and info.type.WhichOneof("value"):
            return info
        if name in self.constants:
            tensor = self.constants[name]
            return onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        if fallback is None:
            raise GraphError(f"the type of tensor {name!r} could not be inferred")
        return onnx.helper.make_tensor_value_info(name, fallback, None)


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
