"""An ONNX file without its weights: the protobuf message with the large fields left out.

A parser copies what it parses. `split_model` walks the wire format first: the model's structure is
parsed by the `onnx` package, the bytes of the initialisers stay in the mapped file.

References
----------
https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .errors import DamagedFileError
from .mapped_file import Buffer

__all__ = ["Initializer", "split_model"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Field numbers of onnx.proto.
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9
_LONGEST_VARINT = 10


class Initializer(NamedTuple):
    """A TensorProto without its raw data, and where that lies: (0, 0) if it has none."""

    message: bytes
    offset: int
    size: int


class _Field(NamedTuple):
    number: int
    start: int
    payload: int
    end: int


def split_model(data: Buffer) -> tuple[bytes, list[Initializer]]:
    """A ModelProto without initialisers, and the initialisers.

    Raises
    ------
    DamagedFileError
        The bytes are no protobuf message.
    """
    skeleton = bytearray()
    initializers: list[Initializer] = []
    for field in _fields(data, 0, len(data)):
        if field.number != _MODEL_GRAPH:
            skeleton += data[field.start : field.end]
            continue
        graph = bytearray()
        for inner in _fields(data, field.payload, field.end):
            if inner.number == _GRAPH_INITIALIZER:
                initializers.append(_initializer(data, inner))
            else:
                graph += data[inner.start : inner.end]
        skeleton += _header(_MODEL_GRAPH, len(graph)) + graph
    return bytes(skeleton), initializers


def _initializer(data: Buffer, field: _Field) -> Initializer:
    message = bytearray()
    offset = size = 0
    for inner in _fields(data, field.payload, field.end):
        if inner.number == _TENSOR_RAW_DATA:
            offset, size = inner.payload, inner.end - inner.payload
        else:
            message += data[inner.start : inner.end]
    return Initializer(bytes(message), offset, size)


def _fields(data: Buffer, start: int, end: int) -> Iterator[_Field]:
    at = start
    while at < end:
        first = at
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        payload = at
        if wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire == _FIXED64:
            at += 8
        elif wire == _FIXED32:
            at += 4
        elif wire == _BYTES:
            size, payload = _varint(data, at, end)
            at = payload + size
        else:
            raise DamagedFileError(f"not readable as ONNX: field of kind {wire} at byte {first}")
        if at > end:
            raise DamagedFileError(
                f"truncated in field {number} at byte {first}: it ends at byte {at}, what it is "
                f"in at {end}"
            )
        # Where the large fields are has been noted by number: they must be bytes.
        if wire != _BYTES and number in (_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA):
            number = 0
        yield _Field(number, first, payload, at)


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= end:
            raise DamagedFileError(f"truncated in a number at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedFileError(f"not readable as ONNX: number without an end at byte {at}")


def _header(number: int, size: int) -> bytes:
    result = bytearray([number << 3 | _BYTES])
    while size >= 0x80:
        result.append(size & 0x7F | 0x80)
        size >>= 7
    result.append(size)
    return bytes(result)
