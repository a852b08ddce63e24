"""ONNX files: quantised weights in four ways, and plain constants."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from .grouped_codes import widened
from .imported_tensor import ImportedTensor, PlainTensor
from .mapped_file import Buffer
from .onnx_array import OnnxArray
from .onnx_graph import Graph, read_graph
from .onnx_nbits import nbits_matrices
from .onnx_qdq import qdq_matrices
from .qonnx import qonnx_matrices

__all__ = ["read_onnx"]


def read_onnx(
    data: Buffer, folder: Path | None
) -> tuple[dict[str, str], dict[str, ImportedTensor | PlainTensor]]:
    """Metadata and tensors of an ONNX model, by the names of its constants.

    Scales, zero points and bit widths of quantised weights are parts of these and not listed.
    Constants that a product takes as ``[K, N]`` are turned to ``[N, K]``.

    Parameters
    ----------
    data : Buffer
    folder : Path or None
        Where external data lies.

    Raises
    ------
    MissingPackageError, DamagedFileError, UnsupportedTensorError
    """
    graph = read_graph(data, folder)
    tensors: dict[str, ImportedTensor | PlainTensor] = {}
    parts: set[str] = set()
    for find in (nbits_matrices, qdq_matrices, qonnx_matrices):
        found, used = find(graph)
        tensors |= found
        parts |= used
    for name, array in graph.arrays.items():
        if name not in parts and name not in tensors:
            tensors[name] = _plain(graph, array)
    metadata = {entry.key: entry.value for entry in graph.model.metadata_props}
    return metadata, tensors


def _plain(graph: Graph, array: OnnxArray) -> PlainTensor:
    turn = len(array.shape) == 2 and graph.transposed(array.name)
    return PlainTensor(
        name=array.name,
        type=array.type,
        shape=array.shape[::-1] if turn else array.shape,
        nbytes=array.nbytes,
        read_array=functools.partial(_read, array, turn),
    )


def _read(array: OnnxArray, turn: bool) -> np.ndarray:
    found = array.read()
    if array.type == "BFLOAT16":
        found = widened(found)
    return found.T if turn else found
