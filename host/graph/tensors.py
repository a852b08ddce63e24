"""The tensors of an ONNX graph: who makes them, who takes them, and what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from .errors import GraphError
from .onnx_session import runtime_types

__all__ = ["Tensors", "inputs_of"]


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
        Of `lutra.host.graph.read_model.read_onnx`.

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
        self._model = model
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

    def dtype(self, name: str) -> str | None:
        """NumPy's name of a tensor's type, None where it is not known."""
        kind = self.constants[name].data_type if name in self.constants else 0
        if not kind and name in self._infos:
            kind = self._infos[name].type.tensor_type.elem_type
        if kind not in TensorProto.DataType.values() or kind == TensorProto.UNDEFINED:
            return None
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name

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
        kind = self._runtime_types.get(name, fallback)
        if kind is None:
            raise GraphError(f"the type of tensor {name!r} could not be inferred")
        return onnx.helper.make_tensor_value_info(name, kind, None)

    @cached_property
    def _runtime_types(self) -> dict[str, int]:
        """Types of tensors behind operators that only onnxruntime knows."""
        return runtime_types(
            self._model, [name for name in self._producers if name not in self._infos]
        )
