"""QONNX: float weights behind Quant (IntQuant) and BipolarQuant nodes.

    Quant(w, scale, zero, bits)   q = round(clip(w / scale + zero)), weight = (q - zero) * scale
    BipolarQuant(w, scale)        weight = scale where w >= 0, else -scale

with the range of `signed` and `narrow`, and the rounding of `rounding_mode`.

References
----------
Pappalardo et al., *QONNX: Representing Arbitrary-Precision Quantized Neural Networks*, 2022
(arXiv:2206.07527); https://github.com/fastmachinelearning/qonnx.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor, PlainTensor
from .onnx_array import OnnxArray, refused
from .onnx_graph import Graph, attributes, integer
from .onnx_qdq import weight_rows
from .onnx_scales import RowGrid, output_axis

__all__ = ["qonnx_matrices"]

_ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}


class _Quant(NamedTuple):
    bits: int
    low: int
    high: int
    round: Callable[[np.ndarray], np.ndarray]


def qonnx_matrices(graph: Graph) -> tuple[dict[str, ImportedTensor | PlainTensor], set[str]]:
    """Quantised weights by the name of their constant, and the constants that they are made of.

    Raises
    ------
    DamagedFileError, UnsupportedTensorError
    """
    tensors: dict[str, ImportedTensor | PlainTensor] = {}
    parts: set[str] = set()
    for node in graph.nodes("Quant", "IntQuant", "BipolarQuant"):
        weight, scale = graph.input(node, 0), graph.input(node, 1)
        if weight is None or scale is None or not node.output or len(weight.shape) < 2:
            continue  # an activation
        zero, width = None, None
        if node.op_type != "BipolarQuant":
            zero, width = graph.input(node, 2), graph.input(node, 3)
            if zero is None or width is None:
                continue
        transposed = len(weight.shape) == 2 and graph.transposed(node.output[0])
        try:
            quant = None if width is None else _quant(weight.name, width, attributes(node))
            tensors[weight.name] = _tensor(weight, scale, zero, quant, transposed)
        except UnsupportedTensorError as error:
            tensors[weight.name] = refused("Quant", weight, error)
        parts |= {name for name in node.input if name in graph.arrays}
    return tensors, parts


def _quant(name: str, width: OnnxArray, known: dict[str, Any]) -> _Quant:
    if any(extent != 1 for extent in width.shape):
        raise UnsupportedTensorError(f"tensor {name!r} must have one bit width")
    bits = width.read().reshape(-1)[0].item()
    if bits not in range(1, 9):
        raise UnsupportedTensorError(f"bit width of tensor {name!r} must be 1 to 8, not {bits!r}")
    bits = int(bits)
    signed, narrow = bool(integer(known, "signed", 1)), bool(integer(known, "narrow", 0))
    mode = known.get("rounding_mode", b"ROUND")
    mode = mode.decode("ascii", "replace").upper() if isinstance(mode, bytes) else mode
    if mode not in _ROUNDINGS:
        raise UnsupportedTensorError(
            f"rounding mode of tensor {name!r} must be one of {', '.join(_ROUNDINGS)}, not "
            f"{mode!r:.60}"
        )
    half = 1 << bits - 1
    low, high = (narrow - half, half - 1) if signed else (0, 2 * half - 1 - narrow)
    return _Quant(bits, low, high, _ROUNDINGS[mode])


def _tensor(
    weight: OnnxArray,
    scale: OnnxArray,
    zero: OnnxArray | None,
    quant: _Quant | None,
    transposed: bool,
) -> ImportedTensor:
    if weight.type != "FLOAT" or scale.type != "FLOAT":
        raise UnsupportedTensorError(
            f"tensor {weight.name!r} and its scale must be FLOAT, not {weight.type}, {scale.type}"
        )
    n = weight.shape[output_axis(weight.shape, transposed)]
    k = int(np.prod(weight.shape, dtype=np.int64)) // max(n, 1)
    arrays = [array for array in (weight, scale, zero) if array is not None]
    scales, zeros = (
        None
        if array is None
        else RowGrid(
            array, weight.shape, transposed=transposed, axis=output_axis(weight.shape, transposed)
        )
        for array in (scale, zero)
    )
    assert scales is not None
    bipolar = quant is None or (quant.bits == 1 and quant.low < 0)
    if bipolar and zero is not None and zero.read().any():
        raise UnsupportedTensorError(f"zero point of tensor {weight.name!r} must be 0")
    read: Callable[[int, int], GroupedCodes]
    if bipolar:
        read = functools.partial(_read_bipolar, weight, scales, quant is not None, transposed)
    else:
        assert quant is not None
        read = functools.partial(_read_quant, weight, scales, zeros, quant, transposed)
    return ImportedTensor(
        name=weight.name,
        type="BipolarQuant" if quant is None else "Quant",
        shape=(n, k),
        bits=1 if quant is None else quant.bits,
        group_size=max(k, 1),
        nbytes=sum(array.nbytes for array in arrays),
        read_rows=read,
        turned=transposed,
    )


def _read_bipolar(
    weight: OnnxArray, scales: RowGrid, divide: bool, transposed: bool, first: int, last: int
) -> GroupedCodes:
    rows = weight_rows(weight, transposed, first, last)
    factors = widened(scales.rows(first, last))
    with np.errstate(all="ignore"):
        positive = (rows / factors if divide else rows) >= 0
        doubled = factors * 2
    return GroupedCodes(
        codes=positive.astype(np.uint8),
        bits=1,
        group_size=rows.shape[1],
        scales=doubled,
        zeros=0.5,
    )


def _read_quant(
    weight: OnnxArray,
    scales: RowGrid,
    zeros: RowGrid | None,
    quant: _Quant,
    transposed: bool,
    first: int,
    last: int,
) -> GroupedCodes:
    rows = weight_rows(weight, transposed, first, last)
    factors = widened(scales.rows(first, last))
    middles = np.zeros(factors.shape, np.float32)
    if zeros is not None:
        middles = widened(zeros.rows(first, last))
    with np.errstate(all="ignore"):
        found = quant.round(np.clip(rows / factors + middles, quant.low, quant.high))
    if not np.isfinite(found).all():
        raise DamagedFileError(f"tensor {weight.name!r} must be finite")
    return GroupedCodes(
        codes=(found - quant.low).astype(np.uint8),
        bits=quant.bits,
        group_size=rows.shape[1],
        scales=factors,
        zeros=middles - np.float32(quant.low),
    )
