"""Weights behind DequantizeLinear, or in MatMulInteger: integers of 2 to 8 bits.

    DequantizeLinear(W, scale, zero)                weight = (W - zero) * scale
    DequantizeLinear(QuantizeLinear(w, scale, zero), scale, zero)
                                                    W = clip(rint(w / scale) + zero)
    MatMulInteger(A, W, a_zero, zero)               weight = W - zero

Scales and zero points are one, one per output, or one per block of inputs. Signed W become codes
``W + 2**(bits - 1)``.

References
----------
https://onnx.ai/onnx/operators
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor, PlainTensor
from .onnx_array import OnnxArray, refused
from .onnx_graph import Graph, attributes, integer
from .onnx_scales import RowGrid, output_axis

__all__ = ["qdq_matrices", "weight_rows"]

_INTEGERS = ("INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2")
_HALVES = ("FLOAT16", "BFLOAT16")


def qdq_matrices(graph: Graph) -> tuple[dict[str, ImportedTensor | PlainTensor], set[str]]:
    """Quantised weights by the name of their constant, and the constants that they are made of.

    Raises
    ------
    DamagedFileError, UnsupportedTensorError
    """
    tensors: dict[str, ImportedTensor | PlainTensor] = {}
    parts: set[str] = set()
    made = {node.output[0]: node for node in graph.nodes("QuantizeLinear") if node.output}
    for node in graph.nodes("DequantizeLinear"):
        scale, zero = graph.input(node, 1), graph.input(node, 2)
        weight, quantise = graph.input(node, 0), False
        if weight is None and node.input and node.input[0] in made:
            before = made[node.input[0]]
            # The same scale on both sides, or it is no pair.
            if list(before.input[1:]) == list(node.input[1:]):
                weight, quantise = graph.input(before, 0), True
        kind = zero if quantise and zero is not None else weight
        if weight is None or scale is None or kind is None or kind.type not in _INTEGERS:
            continue
        if len(weight.shape) < 2 or not node.output:
            continue
        transposed = len(weight.shape) == 2 and graph.transposed(node.output[0])
        known = attributes(node)
        try:
            tensors[weight.name] = _tensor(
                "QDQ", weight, kind, scale, zero, known, transposed, quantise
            )
        except UnsupportedTensorError as error:
            tensors[weight.name] = refused("QDQ", weight, error)
        parts |= {array.name for array in (weight, scale, zero) if array is not None}
    for node in graph.nodes("MatMulInteger"):
        weight, zero = graph.input(node, 1), graph.input(node, 3)
        if weight is None or weight.type not in _INTEGERS or len(weight.shape) != 2:
            continue
        # Its zero points are along the outputs.
        try:
            tensors[weight.name] = _tensor(
                "MatMulInteger", weight, weight, None, zero, {"axis": 1}, True, False
            )
        except UnsupportedTensorError as error:
            tensors[weight.name] = refused("MatMulInteger", weight, error)
        parts |= {array.name for array in (weight, zero) if array is not None}
    return tensors, parts


def weight_rows(weight: OnnxArray, transposed: bool, first: int, last: int) -> np.ndarray:
    """Outputs `first` to `last` of a constant, ``[n, K]``."""
    if transposed:
        return np.ascontiguousarray(weight.columns(first, last).T)
    rows = weight.rows(first, last)
    return rows.reshape(len(rows), int(np.prod(weight.shape[1:], dtype=np.int64)))


class _Parts(NamedTuple):
    weight: OnnxArray
    kind: OnnxArray
    scale: RowGrid | None
    zero: RowGrid | None
    transposed: bool
    quantise: bool
    group_size: int
    rounding: np.dtype | None


def _tensor(
    type_name: str,
    weight: OnnxArray,
    kind: OnnxArray,
    scale: OnnxArray | None,
    zero: OnnxArray | None,
    known: dict[str, Any],
    transposed: bool,
    quantise: bool,
) -> ImportedTensor:
    block, axis = integer(known, "block_size", 0), integer(known, "axis", 1)
    if block < 0:
        raise DamagedFileError(
            f"block_size of tensor {weight.name!r} must be 0 or more, not {block}"
        )
    grid = functools.partial(
        RowGrid, shape=weight.shape, transposed=transposed, axis=axis, block=block
    )
    n = weight.shape[output_axis(weight.shape, transposed)]
    k = int(np.prod(weight.shape, dtype=np.int64)) // max(n, 1)
    group_size = min(block, k) if block else k
    rounded = scale is not None and scale.type in _HALVES
    parts = _Parts(
        weight=weight,
        kind=kind,
        scale=None if scale is None else grid(scale),
        zero=None if zero is None else grid(zero),
        transposed=transposed,
        quantise=quantise,
        group_size=group_size,
        rounding=scale.dtype if rounded and scale is not None else None,
    )
    arrays = [array for array in (weight, scale, zero) if array is not None]
    return ImportedTensor(
        name=weight.name,
        type=type_name,
        shape=(n, k),
        bits=kind.bits,
        group_size=max(group_size, 1),
        nbytes=sum(array.nbytes for array in arrays),
        read_rows=functools.partial(_read_rows, parts),
        turned=transposed,
    )


def _read_rows(parts: _Parts, first: int, last: int) -> GroupedCodes:
    bits, signed = parts.kind.bits, parts.kind.type.startswith("INT")
    middle = 1 << bits - 1 if signed else 0
    count = last - first
    scales = np.ones((count, 1), np.float32)
    if parts.scale is not None:
        scales = widened(parts.scale.rows(first, last))
    zeros = np.zeros(scales.shape, np.float32)
    if parts.zero is not None:
        zeros = zeros + parts.zero.rows(first, last).astype(np.float32)
    rows = weight_rows(parts.weight, parts.transposed, first, last)
    made = GroupedCodes(
        codes=np.empty(rows.shape, np.uint8),
        bits=bits,
        group_size=max(parts.group_size, 1),
        scales=scales,
        zeros=zeros + np.float32(middle),
        rounding=parts.rounding,
    )
    if parts.quantise:
        with np.errstate(all="ignore"):
            found = made.grouped(widened(rows)) / scales[:, :, None]
            found = np.rint(found) + zeros[:, :, None] + middle
        codes = made.ungrouped(np.clip(np.nan_to_num(found), 0, (1 << bits) - 1))
        np.copyto(made.codes, codes, casting="unsafe")
    else:
        np.copyto(made.codes, rows.astype(np.int16) + middle, casting="unsafe")
    return made
