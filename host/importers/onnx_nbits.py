"""``com.microsoft.MatMulNBits``: weights in blocks of the inputs, two, four or eight bits.

    B            uint8 [N, blocks, block_size bits / 8]   lowest bits first
    scales       float [N, blocks]
    zero_points  uint8 [N, ceil(blocks bits / 8)], packed alike, or float [N, blocks];
                 2**(bits - 1) if absent

    weight[n, k] = (B[n, k] - zero_points[n, k / block_size]) * scales[n, k / block_size]

where float zero points are multiplied before they are taken off: ``B * scale - zero * scale``, each
product rounded.

References
----------
ContribOperators.md of https://github.com/microsoft/onnxruntime; tested against the operator itself.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor, PlainTensor
from .onnx_array import OnnxArray, refused
from .onnx_graph import Graph, attributes, integer
from .packed_words import unpack_bytes

__all__ = ["nbits_matrices"]

_FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16")


def nbits_matrices(graph: Graph) -> tuple[dict[str, ImportedTensor | PlainTensor], set[str]]:
    """The weights of all MatMulNBits nodes by name, and the constants that they are made of.

    Raises
    ------
    DamagedFileError, UnsupportedTensorError
    """
    tensors: dict[str, ImportedTensor | PlainTensor] = {}
    parts: set[str] = set()
    for node in graph.nodes("MatMulNBits"):
        weight, scales = graph.input(node, 1), graph.input(node, 2)
        if weight is None or scales is None:
            continue  # computed, not stored
        zeros = graph.input(node, 3)
        used = [weight, scales, *([] if zeros is None else [zeros])]
        try:
            if zeros is None and any(node.input[3:4]):
                raise UnsupportedTensorError(
                    f"zero points of tensor {weight.name!r} must be constants"
                )
            if any(node.input[4:5]):
                raise UnsupportedTensorError(
                    f"tensor {weight.name!r} must not have a g_idx, which the operator gave up"
                )
            tensors[weight.name] = _matrix(attributes(node), weight, scales, zeros)
        except UnsupportedTensorError as error:
            tensors[weight.name] = refused("MatMulNBits", weight, error)
        parts |= {array.name for array in used}
    return tensors, parts


def _matrix(
    known: dict[str, Any],
    weight: OnnxArray,
    scales: OnnxArray,
    zeros: OnnxArray | None,
) -> ImportedTensor:
    name = weight.name
    bits, size = integer(known, "bits", 4), integer(known, "block_size", 0)
    n, k = integer(known, "N", 0), integer(known, "K", 0)
    if bits not in (2, 4, 8):
        raise UnsupportedTensorError(f"bits of tensor {name!r} must be 2, 4 or 8, not {bits}")
    if size < 16 or size & size - 1 or size > 1 << 20:
        raise DamagedFileError(
            f"block_size of tensor {name!r} must be a power of two from 16 on, not {size!r}"
        )
    if n < 1 or k < 1:
        raise DamagedFileError(f"N and K of tensor {name!r} must be positive, not {n!r}, {k!r}")
    blocks = -(-k // size)
    _check(weight, ("UINT8",), n * blocks * size * bits // 8)
    _check(scales, _FLOATS, n * blocks)
    if zeros is not None and zeros.type in _FLOATS:
        _check(zeros, _FLOATS, n * blocks)
    elif zeros is not None:
        _check(zeros, ("UINT8",), n * -(-blocks * bits // 8))
    parts = [array for array in (weight, scales, zeros) if array is not None]
    return ImportedTensor(
        name=name,
        type="MatMulNBits",
        shape=(n, k),
        bits=bits,
        group_size=min(size, k),
        nbytes=sum(array.nbytes for array in parts),
        read_rows=functools.partial(_read_rows, (n, k, bits, min(size, k)), weight, scales, zeros),
    )


def _check(array: OnnxArray, types: tuple[str, ...], count: int) -> None:
    have = int(np.prod(array.shape, dtype=np.int64))
    if array.type not in types or have != count:
        raise DamagedFileError(
            f"tensor {array.name!r} must be {count} elements of {' or '.join(types)}, not {have} "
            f"of {array.type}"
        )


def _read_rows(
    shape: tuple[int, int, int, int],
    weight: OnnxArray,
    scales: OnnxArray,
    zeros: OnnxArray | None,
    first: int,
    last: int,
) -> GroupedCodes:
    n, k, bits, size = shape
    packed = weight.read().reshape(n, -1)[first:last]
    codes = unpack_bytes(packed, bits)[:, :k]
    factors = widened(scales.read().reshape(n, -1)[first:last])
    blocks = factors.shape[1]
    middles: np.ndarray | float = float(1 << bits - 1)
    biases = None
    if zeros is not None:
        found = zeros.read().reshape(n, -1)[first:last]
        if zeros.type == "UINT8":
            middles = unpack_bytes(found, bits)[:, :blocks].astype(np.float32)
        else:
            middles = 0.0
            with np.errstate(all="ignore"):
                biases = -(widened(found) * factors)
    return GroupedCodes(
        codes=np.ascontiguousarray(codes),
        bits=bits,
        group_size=size,
        scales=factors,
        zeros=middles,
        biases=biases,
    )
