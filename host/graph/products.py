"""Which nodes of an ONNX graph are products with static weights, and what they multiply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import onnx
from onnx import NodeProto

from .errors import GraphError
from .tensors import Tensors

__all__ = ["Product", "find_products"]

#: Between a constant and the product that takes it as weights.
_TRANSPARENT = ("QuantizeLinear", "DequantizeLinear", "Quant", "BipolarQuant", "Transpose")


@dataclass(frozen=True, kw_only=True)
class Product:
    """``output = s (source - z) @ weight.T``.

    Attributes
    ----------
    node : str
        Name of the node, for people.
    source : str
        Tensor with the activations ``[..., K]``: real numbers that are quantised row by row, or
        integers if `integer`.
    weight : str
        Constant with the weights, as `lutra.host.load_model` names it: whatever stands between it
        and the product only says what its numbers mean.
    output : str
        Tensor ``[..., N]``.
    integer : bool
        The source is quantised already.
    scale, zero_point : str or None
        Scalar tensors s and z of an integer source; None for 1 and 0.
    exact : bool
        The result stays an integer (``MatMulInteger``).
    bias : str or None
        Tensor ``[N]`` to be added.
    transposed : bool
        The tensor has outputs first, ``[N, K]``; otherwise it is ``[K, N]``.
    quantised : bool
        Operators between the constant and the product say what its numbers mean.
    dtype : str
        NumPy's name of the output's type.
    """

    node: str
    source: str
    weight: str
    output: str
    integer: bool = False
    scale: str | None = None
    zero_point: str | None = None
    exact: bool = False
    bias: str | None = None
    transposed: bool = False
    quantised: bool = False
    dtype: str = "float32"


def find_products(tensors: Tensors) -> dict[int, Product]:
    """Products of a graph by the position of their node.

    - ``MatMul(x, W)`` with a constant matrix W, as it is or behind ``DequantizeLinear`` (and
      ``QuantizeLinear`` before it), ``Quant`` or ``BipolarQuant``;
    - ``Gemm(x, W, c)`` likewise, x not transposed, alpha and beta 1;
    - ``MatMulInteger(x, W, z_x, z_W)`` with constant W and z_W;
    - ``MatMulNBits(x, W, ...)`` of the domain com.microsoft.

    Where x comes out of a ``DequantizeLinear`` with one scale for all of it, the integers in front
    of that are multiplied, and nothing is rounded a second time.
    """
    found = {}
    for place, node in enumerate(tensors.graph.node):
        product = _recognise(node, tensors)
        if product is not None:
            found[place] = product
    return found


def _recognise(node: NodeProto, tensors: Tensors) -> Product | None:
    name = node.name or f"{node.op_type} {node.output[0]!r}"
    if node.op_type == "MatMul" and node.domain == "":
        return _with_source(node, tensors, name, bias=None)
    if node.op_type == "Gemm" and node.domain == "":
        return _gemm(node, tensors, name)
    if node.op_type == "MatMulInteger":
        if tensors.rank_of_constant(node.input[1]) != 2:
            return None
        zero = node.input[2] if len(node.input) > 2 and node.input[2] else None
        if len(node.input) > 3 and node.input[3] and not tensors.is_constant(node.input[3]):
            return None
        if zero is not None and tensors.known_size(zero) not in (1, None):
            return None  # a zero point for each row
        return Product(
            node=name,
            source=node.input[0],
            weight=node.input[1],
            output=node.output[0],
            integer=True,
            zero_point=zero,
            exact=True,
            quantised=True,
            dtype="int32",
        )
    if node.op_type == "MatMulNBits" and node.domain == "com.microsoft":
        bias = node.input[5] if len(node.input) > 5 and node.input[5] else None
        return _with_source(node, tensors, name, bias=bias, rank=None)
    return None


def _gemm(node: NodeProto, tensors: Tensors, name: str) -> Product | None:
    values = _attributes(node)
    plain = not values.get("transA", 0) and values.get("alpha", 1.0) == 1.0
    if not plain:
        return None
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    if bias is not None and values.get("beta", 1.0) != 1.0:
        return None
    transposed = bool(values.get("transB", 0))
    return _with_source(node, tensors, name, bias=bias, transposed=transposed)


def _with_source(
    node: NodeProto,
    tensors: Tensors,
    name: str,
    *,
    bias: str | None,
    transposed: bool = False,
    rank: int | None = 2,
) -> Product | None:
    weight, turned, quantised = _root(node.input[1], tensors)
    if not tensors.is_constant(weight):
        return None
    dtype = tensors.dtype(node.output[0]) or tensors.dtype(node.input[0]) or "float32"
    if dtype not in ("float16", "float32", "float64"):
        return None
    if rank is not None and tensors.rank_of_constant(weight) != rank:
        return None
    source = node.input[0]
    plain = Product(
        node=name,
        source=source,
        weight=weight,
        output=node.output[0],
        bias=bias,
        transposed=transposed != turned,
        quantised=quantised or rank is None,
        dtype=dtype,
    )
    before = tensors.producer(source)
    if before is None or before.op_type != "DequantizeLinear" or before.domain != "":
        return plain
    zero = before.input[2] if len(before.input) > 2 and before.input[2] else None
    parameters = [before.input[1], *([zero] if zero else [])]
    if tensors.is_constant(before.input[0]) or any(tensors.known_size(p) != 1 for p in parameters):
        return plain
    return replace(
        plain, source=before.input[0], integer=True, scale=before.input[1], zero_point=zero
    )


def _root(name: str, tensors: Tensors) -> tuple[str, bool, bool]:
    """The tensor in front of operators that say what its numbers mean; whether it is transposed,
    and whether there are others of these."""
    turned, quantised, seen = False, False, 0
    while (node := tensors.producer(name)) is not None and node.op_type in _TRANSPARENT:
        if node.op_type != "Transpose":
            quantised = True
        elif _attributes(node).get("perm", (1, 0)) != [0, 1]:
            turned = not turned
        name, seen = node.input[0], seen + 1
        if seen > len(tensors.graph.node):
            raise GraphError(f"tensor {name!r} is computed from itself")
    return name, turned, quantised


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
