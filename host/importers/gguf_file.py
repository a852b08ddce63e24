"""GGUF files: llama.cpp's models, one file, quantised in blocks along the inputs."""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Kind

from .gguf_blocks import BLOCKS, Block
from .gguf_header import GGUFHeader, TensorPlace, read_header
from .gguf_k_blocks import K_BLOCKS
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor, PlainTensor
from .mapped_file import Buffer, span

__all__ = ["gguf_tensors", "read_gguf"]

_BLOCKS = {**BLOCKS, **K_BLOCKS}
_NUMBERS = {
    Kind.F32: np.dtype("<f4"),
    Kind.F16: np.dtype("<f2"),
    Kind.BF16: np.dtype(ml_dtypes.bfloat16),
    Kind.F64: np.dtype("<f8"),
    Kind.I8: np.dtype("i1"),
    Kind.I16: np.dtype("<i2"),
    Kind.I32: np.dtype("<i4"),
    Kind.I64: np.dtype("<i8"),
}


def read_gguf(data: Buffer) -> tuple[GGUFHeader, dict[str, ImportedTensor | PlainTensor]]:
    """Header and tensors of a GGUF file.

    Raises
    ------
    DamagedFileError
        As `lutra.host.importers.gguf_header.read_header`.
    """
    header = read_header(data)
    return header, gguf_tensors(data, header)


def gguf_tensors(data: Buffer, header: GGUFHeader) -> dict[str, ImportedTensor | PlainTensor]:
    """The tensors that a header describes."""
    return {
        name: _matrix(data, place) if place.kind in _BLOCKS else _array(data, place)
        for name, place in header.tensors.items()
    }


def _matrix(data: Buffer, place: TensorPlace) -> ImportedTensor:
    block, kind = _BLOCKS[Kind(place.kind)], Kind(place.kind)
    rows = int(np.prod(place.shape[:-1], dtype=np.int64))
    return ImportedTensor(
        name=place.name,
        type=kind.name,
        shape=(rows, place.shape[-1]),
        bits=block.bits,
        group_size=block.group,
        nbytes=place.nbytes,
        read_rows=functools.partial(_read_rows, data, place, block),
    )


def _read_rows(
    data: Buffer, place: TensorPlace, block: Block, first: int, last: int
) -> GroupedCodes:
    inputs, block_bytes = GGML_QUANT_SIZES[Kind(place.kind)]
    blocks = place.shape[-1] // inputs
    pitch = blocks * block_bytes
    raw = span(data, place.offset + first * pitch, (last - first) * pitch, f"tensor {place.name!r}")
    found = block.decode(raw.reshape(-1, block_bytes))
    grid = last - first, place.shape[-1] // block.group
    return GroupedCodes(
        codes=found.codes.reshape(last - first, place.shape[-1]),
        bits=block.bits,
        group_size=block.group,
        scales=found.scales.reshape(grid),
        zeros=float(block.zero),
        biases=None if found.biases is None else found.biases.reshape(grid),
    )


def _array(data: Buffer, place: TensorPlace) -> PlainTensor:
    dtype = _NUMBERS.get(place.kind) if isinstance(place.kind, Kind) else None
    refusal = ""
    if dtype is None:
        name = place.kind.name if isinstance(place.kind, Kind) else place.kind
        known = [kind.name for kind in (*_NUMBERS, *_BLOCKS)]
        refusal = f"type of tensor {place.name!r} must be one of {', '.join(known)}, not {name}"
    return PlainTensor(
        name=place.name,
        type=place.kind.name if isinstance(place.kind, Kind) else f"type {place.kind}",
        shape=place.shape,
        nbytes=place.nbytes,
        read_array=functools.partial(_read_array, data, place, dtype or np.dtype(np.uint8)),
        refusal=refusal,
    )


def _read_array(data: Buffer, place: TensorPlace, dtype: np.dtype) -> np.ndarray:
    raw = span(data, place.offset, place.nbytes, f"tensor {place.name!r}").view(dtype)
    if place.kind is Kind.BF16:
        raw = widened(raw)
    return raw.reshape(place.shape)
