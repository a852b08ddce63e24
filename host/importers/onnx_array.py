"""Constant arrays of an ONNX graph: in the file, beside it, or among a node's attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .external_files import ExternalFiles
from .imported_tensor import PlainTensor
from .mapped_file import Buffer, element_count, span
from .packed_words import unpack_bytes
from .protobuf_walk import Initializer

__all__ = ["OnnxArray", "array_of", "refused"]

#: ONNX's numbers of types: name, NumPy's type, bits of an element.
_TYPES: dict[int, tuple[str, np.dtype, int]] = {
    number: (name, np.dtype(kind), bits)
    for number, name, kind, bits in (
        (1, "FLOAT", "<f4", 32), (2, "UINT8", "u1", 8), (3, "INT8", "i1", 8),
        (4, "UINT16", "<u2", 16), (5, "INT16", "<i2", 16), (6, "INT32", "<i4", 32),
        (7, "INT64", "<i8", 64), (9, "BOOL", "?", 8), (10, "FLOAT16", "<f2", 16),
        (11, "DOUBLE", "<f8", 64), (12, "UINT32", "<u4", 32), (13, "UINT64", "<u8", 64),
        (16, "BFLOAT16", ml_dtypes.bfloat16, 16), (21, "UINT4", "u1", 4), (22, "INT4", "i1", 4),
        (25, "UINT2", "u1", 2), (26, "INT2", "i1", 2),
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OnnxArray:
    """Name, type and shape of a constant, and its content.

    Attributes
    ----------
    type : str
        ONNX's name of it, such as ``UINT4``.
    dtype : dtype
        What `read` gives: integers of less than 8 bits come in bytes.
    bits : int
        Of an element.
    """

    name: str
    type: str
    dtype: np.dtype
    bits: int
    shape: tuple[int, ...]
    nbytes: int
    load: Callable[[], np.ndarray]

    def read(self) -> np.ndarray:
        """The array; a read-only view of the file where elements are whole bytes.

        Raises
        ------
        DamagedFileError, UnsupportedTensorError
        """
        data = self.load()
        if self.bits < 8:
            data = self._unpacked(data, element_count(self.shape, f"tensor {self.name!r}"))
        return data.reshape(self.shape)

    def rows(self, first: int, last: int) -> np.ndarray:
        """``array[first:last]``, without unpacking the rest."""
        if self.bits >= 8:
            return self.read()[first:last]
        each = element_count(self.shape[1:], f"tensor {self.name!r}")
        return self._stretch(first * each, last * each).reshape(last - first, *self.shape[1:])

    def columns(self, first: int, last: int) -> np.ndarray:
        """``array[:, first:last]`` of two dimensions, without unpacking the rest."""
        if self.bits >= 8:
            return self.read()[:, first:last]
        rows, columns = self.shape
        per_byte = 8 // self.bits
        if columns % per_byte:
            starts = range(first, rows * columns, columns)
            return np.stack([self._stretch(at, at + last - first) for at in starts])
        low, high = first // per_byte, -(-last // per_byte)
        part = self.load().reshape(rows, -1)[:, low:high]
        found = self._unpacked(part.reshape(-1), rows * (high - low) * per_byte)
        return found.reshape(rows, -1)[:, first - low * per_byte : last - low * per_byte]

    def _stretch(self, first: int, last: int) -> np.ndarray:
        """Elements `first` to `last` of those in the file's order, of less than 8 bits."""
        per_byte = 8 // self.bits
        low = first // per_byte
        part = self.load()[low : -(-last // per_byte)]
        return self._unpacked(part, last - low * per_byte)[first - low * per_byte :]

    def _unpacked(self, data: np.ndarray, count: int) -> np.ndarray:
        values = unpack_bytes(data.reshape(1, -1), self.bits)[0, :count]
        if self.dtype.kind == "i":
            sign = 1 << self.bits - 1
            values = ((values ^ np.uint8(sign)).astype(np.int8) - np.int8(sign)).astype(np.int8)
        return values


def refused(kind: str, array: OnnxArray, error: UnsupportedTensorError) -> PlainTensor:
    """A quantised weight that nothing here reads: asking for it raises, the others are fine."""
    return PlainTensor(
        name=array.name,
        type=kind,
        shape=array.shape,
        nbytes=array.nbytes,
        read_array=array.read,
        refusal=str(error),
    )


def array_of(
    proto: Any, where: Initializer | None, data: Buffer, external: ExternalFiles
) -> OnnxArray:
    """The array of a TensorProto.

    Parameters
    ----------
    proto : onnx.TensorProto
        Without raw data where `where` is given.
    where : Initializer or None
    data : Buffer
        The file.
    external : ExternalFiles

    Raises
    ------
    DamagedFileError
        Sizes contradict each other or the file.
    """
    name, shape = proto.name, tuple(proto.dims)
    what = f"tensor {name!r}"
    count = element_count(shape, what)
    if proto.data_type not in _TYPES:
        return OnnxArray(
            name, f"type {proto.data_type}", np.dtype("V1"), 8, shape, 0,
            lambda: _refuse(name, proto.data_type),
        )  # fmt: skip
    type_name, dtype, bits = _TYPES[proto.data_type]
    size = -(-count * bits // 8)

    def stored(source: Buffer, offset: int, found: int) -> Callable[[], np.ndarray]:
        if found != size:
            raise DamagedFileError(f"{what} must have {size} bytes of data, not {found}")
        view = np.dtype(np.uint8) if bits < 8 else dtype
        return lambda: span(source, offset, size, what).view(view)

    if proto.data_location == 1:
        source, offset, found = external.locate(proto, size)
        load = stored(source, offset, found)
    elif where is not None and where.size:
        load = stored(data, where.offset, where.size)
    elif proto.HasField("raw_data") and proto.raw_data:
        load = stored(memoryview(proto.raw_data), 0, len(proto.raw_data))
    else:
        load = _typed(proto, count, type_name, dtype)
    return OnnxArray(name, type_name, dtype, bits, shape, size, load)


def _typed(proto: Any, count: int, type_name: str, dtype: np.dtype) -> Callable[[], np.ndarray]:
    """Data in the fields of the type's own, a number an element."""
    what = f"tensor {proto.name!r}"
    fields = {
        "FLOAT": proto.float_data, "DOUBLE": proto.double_data, "INT64": proto.int64_data,
        "UINT32": proto.uint64_data, "UINT64": proto.uint64_data,
    }  # fmt: skip
    numbers = fields.get(type_name, proto.int32_data)
    per_number = {"UINT4": 2, "INT4": 2, "UINT2": 4, "INT2": 4}.get(type_name, 1)
    if len(numbers) != -(-count // per_number):
        raise DamagedFileError(f"{what} must have {count} elements, not {len(numbers)}")

    def load() -> np.ndarray:
        if type_name in ("FLOAT", "DOUBLE", "INT64", "UINT64"):
            return np.array(numbers, dtype)
        values = np.array(numbers, np.int64)
        if per_number > 1:
            return values.astype(np.uint8)
        # Half-precision numbers come as their bits.
        raw = np.dtype(np.uint16) if type_name in ("FLOAT16", "BFLOAT16") else dtype
        return values.astype(raw).view(dtype)

    return load


def _refuse(name: str, kind: int) -> np.ndarray:
    known = ", ".join(entry[0] for entry in _TYPES.values())
    raise UnsupportedTensorError(f"type of tensor {name!r} must be one of {known}, not {kind}")
