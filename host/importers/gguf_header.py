"""The header of a GGUF file: metadata and where each tensor lies, checked against the file.

Time and memory are bounded by the header itself: counts and lengths are believed only as far as
the file reaches, and values are decoded when somebody asks for them.

References
----------
GGUF, versions 2 and 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from .errors import DamagedFileError
from .mapped_file import Buffer, element_count, span

__all__ = ["GGUFHeader", "GGUFMetadata", "TensorPlace", "read_header"]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_STRING, _ARRAY, _UINT32, _BOOL = 8, 9, 4, 7
#: Types of numbers, as NumPy and `struct` name them.
_NUMBERS = {
    0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "u1",
    10: "<u8", 11: "<i8", 12: "<f8",
}  # fmt: skip
_DEEPEST = 4  # arrays of arrays; real files have none


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor lies.

    Attributes
    ----------
    kind : GGMLQuantizationType or int
        The bare number where the `gguf` package does not know the type.
    shape : tuple of int
        Inputs last: the file's dimensions reversed.
    offset : int
        From the beginning of the file.
    nbytes : int
        0 where the type is unknown.
    """

    name: str
    kind: GGMLQuantizationType | int
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file says of itself."""

    version: int
    metadata: GGUFMetadata
    tensors: dict[str, TensorPlace]


class GGUFMetadata(Mapping[str, object]):
    """Keys and values; arrays are decoded anew at every access."""

    def __init__(self, data: Buffer, places: dict[str, tuple[int, int]]) -> None:
        self._data, self._places = data, places

    def __getitem__(self, key: str) -> object:
        kind, offset = self._places[key]
        return _Walk(self._data, offset).value(kind, f"the value of {key!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Walk:
    """A position in the file that never runs past its end."""

    def __init__(self, data: Buffer, at: int = 0) -> None:
        self.data, self.at = data, at

    def skip(self, count: int, what: str) -> int:
        """Step over `count` bytes; return where they began."""
        if count > len(self.data) - self.at:
            raise DamagedFileError(
                f"truncated in {what}: {count} bytes wanted at offset {self.at}, "
                f"{len(self.data) - self.at} left"
            )
        self.at += count
        return self.at - count

    def number(self, form: str, what: str) -> int:
        """One little-endian number of `struct` format `form`."""
        return struct.unpack_from(f"<{form}", self.data, self.skip(struct.calcsize(form), what))[0]

    def text(self, what: str) -> str:
        """One string with its length before it."""
        start = self.skip(self.number("Q", what), what)
        try:
            return str(self.data[start : self.at], "utf-8")
        except UnicodeDecodeError:
            raise DamagedFileError(f"{what} at offset {start} must be UTF-8") from None

    def skip_value(self, kind: int, what: str, depth: int = 0) -> None:
        """Step over one metadata value."""
        if kind in _NUMBERS:
            self.skip(np.dtype(_NUMBERS[kind]).itemsize, what)
        elif kind == _STRING:
            self.skip(self.number("Q", what), what)
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self.number("I", what), self.number("Q", what)
            if inner in _NUMBERS:
                self.skip(count * np.dtype(_NUMBERS[inner]).itemsize, what)
                return
            # Every element takes bytes, so that a lying count ends with the file.
            for _ in range(count):
                self.skip_value(inner, what, depth + 1)
        else:
            raise DamagedFileError(f"{what} must have a known type, 0 to 12, not {kind}")

    def value(self, kind: int, what: str) -> object:
        """Decode one metadata value: a number, bool, string, array of numbers or list."""
        if kind == _STRING:
            return self.text(what)
        if kind == _ARRAY:
            inner, count = self.number("I", what), self.number("Q", what)
            if inner not in _NUMBERS:
                return [self.value(inner, what) for _ in range(count)]
            dtype = np.dtype(_NUMBERS[inner])
            size = count * dtype.itemsize
            values = span(self.data, self.skip(size, what), size, what).view(dtype)
            return values.astype(bool) if inner == _BOOL else values
        dtype = np.dtype(_NUMBERS[kind])
        start = self.skip(dtype.itemsize, what)
        value = span(self.data, start, dtype.itemsize, what).view(dtype)[0].item()
        return bool(value) if kind == _BOOL else value


def read_header(data: Buffer) -> GGUFHeader:
    """Check magic, version, every key and every tensor's place.

    Raises
    ------
    DamagedFileError
        A field runs past the end of the file, repeats a name or has an unknown type; a tensor lies
        outside the file.
    """
    walk = _Walk(data)
    magic = bytes(data[walk.skip(4, "the magic") :][:4])
    if magic != _MAGIC:
        raise DamagedFileError(f"the file begins with {magic!r}; a GGUF begins with {_MAGIC!r}")
    version = walk.number("I", "the version")
    if version not in _VERSIONS:
        swapped = version >> 24 in _VERSIONS and not version & 0xFFFFFF
        raise DamagedFileError(
            f"GGUF version must be 2 or 3, not {version}"
            + (": the file is big-endian" if swapped else "")
        )
    tensors, keys = walk.number("Q", "the tensor count"), walk.number("Q", "the key count")
    for count, least, what in ((tensors, 24, "tensors"), (keys, 13, "keys")):
        if count * least > len(data):
            raise DamagedFileError(f"truncated in the {what}: {count} {what} announced")
    places: dict[str, tuple[int, int]] = {}
    for _ in range(keys):
        key = walk.text("a metadata key")
        if key in places:
            raise DamagedFileError(f"metadata key {key!r} must appear once")
        kind = walk.number("I", f"the type of {key!r}")
        places[key] = kind, walk.at
        walk.skip_value(kind, f"the value of {key!r}")
    described = [_description(walk) for _ in range(tensors)]
    alignment = _alignment(data, places)
    start = -(-walk.at // alignment) * alignment
    found: dict[str, TensorPlace] = {}
    for place in described:
        if place.name in found:
            raise DamagedFileError(f"tensor {place.name!r} must appear once")
        end = start + place.offset + place.nbytes
        if end > len(data):
            raise DamagedFileError(
                f"truncated in tensor {place.name!r}: it ends at byte {end}, the file at "
                f"{len(data)}"
            )
        found[place.name] = TensorPlace(
            place.name, place.kind, place.shape, start + place.offset, place.nbytes
        )
    return GGUFHeader(version, GGUFMetadata(data, places), found)


def _alignment(data: Buffer, places: dict[str, tuple[int, int]]) -> int:
    if "general.alignment" not in places:
        return _DEFAULT_ALIGNMENT
    kind, offset = places["general.alignment"]
    value = struct.unpack_from("<I", data, offset)[0] if kind == _UINT32 else None
    if not value or value & value - 1 or value > len(data):
        raise DamagedFileError(f"general.alignment must be a power of two, not {value!r}")
    return value


def _description(walk: _Walk) -> TensorPlace:
    """One tensor description; its offset still counts from the tensors' beginning."""
    name = walk.text("a tensor name")
    what = f"the description of tensor {name!r}"
    rank = walk.number("I", what)
    if not 1 <= rank <= 4:
        raise DamagedFileError(f"tensor {name!r} must have 1 to 4 dimensions, not {rank}")
    shape = tuple(walk.number("Q", what) for _ in range(rank))[::-1]
    elements = element_count(shape, f"tensor {name!r}")
    number, offset = walk.number("I", what), walk.number("Q", what)
    try:
        kind = GGMLQuantizationType(number)
        block, block_bytes = GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError):
        return TensorPlace(name, number, shape, offset, 0)
    if shape[-1] % block:
        raise DamagedFileError(
            f"tensor {name!r} must have rows of whole {kind.name} blocks of {block}, not of "
            f"{shape[-1]}"
        )
    return TensorPlace(name, kind, shape, offset, elements // block * block_bytes)
