"""A graph cut into steps: products on the device, and everything between them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from .errors import GraphError
from .products import Product
from .tensors import Tensors, inputs_of

__all__ = ["DeviceStep", "HostStep", "partition"]


@dataclass(frozen=True, eq=False, kw_only=True)
class HostStep:
    """A part of the graph for onnxruntime."""

    model: ModelProto

    @property
    def inputs(self) -> list[str]:
        """Tensors it takes."""
        return [i.name for i in self.model.graph.input]

    @property
    def outputs(self) -> list[str]:
        """Tensors it makes."""
        return [o.name for o in self.model.graph.output]


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceStep:
    """Products of one source: its activations are quantised, sent and tabulated once for all."""

    products: tuple[Product, ...]


def partition(
    model: ModelProto, tensors: Tensors, products: dict[int, Product]
) -> list[HostStep | DeviceStep]:
    """Steps in the order in which they can run.

    Every node has a stage: that of the latest tensor it takes, rounded up to an even number for
    the host's nodes, and the next odd number above it for products. Nodes of one even stage become
    one model for onnxruntime, so that there are no more of them than products behind one another.

    Parameters
    ----------
    model : ModelProto
        Of `read_onnx`.
    tensors : Tensors
    products : dict of int to Product
        Of `find_products`.

    Raises
    ------
    GraphError
        The graph is not in topological order, or types cannot be inferred.
    """
    graph = tensors.graph
    stage = dict.fromkeys(tensors.constants, 0) | {i.name: 0 for i in graph.input}
    hosts: dict[int, list[NodeProto]] = {}
    devices: dict[int, list[Product]] = {}
    for place, node in enumerate(graph.node):
        product = products.get(place)
        taken = _taken(product) if product else list(inputs_of(node))
        try:
            latest = max((stage[name] for name in taken), default=0)
        except KeyError as error:
            raise GraphError(
                f"node {node.name or node.op_type!r} takes tensor {error.args[0]!r}, which no "
                "earlier node, input or initializer is"
            ) from error
        if product:
            at = latest + 1 + latest % 2
            devices.setdefault(at, []).append(product)
        else:
            at = latest + latest % 2
            hosts.setdefault(at, []).append(node)
        stage.update((name, at) for name in node.output if name)

    needed = {output.name for output in graph.output}  # by what comes later
    steps: list[HostStep | DeviceStep] = []
    for at in range(max([*hosts, *devices], default=0), -1, -1):
        if at in devices:
            steps.extend(_device_steps(devices[at]))
            needed.update(name for product in devices[at] for name in _taken(product))
        elif at in hosts:
            nodes = _used(hosts[at], needed)
            if nodes:
                steps.append(HostStep(model=_submodel(model, tensors, nodes, needed)))
                needed.update(name for node in nodes for name in inputs_of(node))
    return steps[::-1]


def _taken(product: Product) -> list[str]:
    """Tensors that a product takes at run time."""
    names = (product.source, product.scale, product.zero_point, product.bias)
    return [name for name in names if name]


def _device_steps(products: list[Product]) -> list[DeviceStep]:
    groups: dict[tuple, list[Product]] = {}
    for p in products:
        groups.setdefault((p.source, p.integer, p.scale, p.zero_point, p.exact), []).append(p)
    return [DeviceStep(products=tuple(group)) for group in groups.values()]


def _used(nodes: list[NodeProto], needed: set[str]) -> list[NodeProto]:
    """Those whose results anything needs (what stood in front of weights is not)."""
    wanted, kept = set(needed), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(inputs_of(node))
    return kept[::-1]


def _submodel(
    model: ModelProto, tensors: Tensors, nodes: list[NodeProto], needed: set[str]
) -> ModelProto:
    made = {name for node in nodes for name in node.output if name}
    taken = dict.fromkeys(name for node in nodes for name in inputs_of(node))
    # Results of products are the tensors whose types inference may have missed.
    inputs = [
        tensors.info(name, fallback=TensorProto.FLOAT)
        for name in taken
        if name not in made and name not in tensors.constants
    ]
    outputs = [tensors.info(name) for name in dict.fromkeys(
        name for node in nodes for name in node.output if name in needed)]  # fmt: skip
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name or "part",
        inputs,
        outputs,
        [tensors.constants[name] for name in taken if name in tensors.constants],
    )
    part = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, functions=model.functions
    )
    part.ir_version = model.ir_version
    return part
