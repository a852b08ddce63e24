"""Check the header of a GGUF file before a reader trusts its counts and lengths.

`gguf.GGUFReader` believes every length it finds, so a damaged file can make it loop or allocate
without end.  `check_header` walks the same fields first, in time and memory bounded by the file
itself, and says in words what is wrong.

References
----------
GGUF, version 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from ..errors import LutraError

__all__ = ["LARGEST_FILE", "CheckpointError", "check_header"]

LARGEST_FILE = 64 << 20
"""Largest file read, in bytes: thirty times the shipped model."""

_MAGIC = b"GGUF"
_VERSION = 3
_MOST_ENTRIES = 4096  # keys, and tensors; the shipped file has tens of each
_MOST_ELEMENTS = 1 << 18  # of all arrays together: the reader makes objects for each
_STRING, _ARRAY = 8, 9
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class CheckpointError(LutraError, ValueError):
    """A model file that is damaged, of another kind, or inconsistent with itself."""


class _Walk:
    """A position in the file's bytes that never runs past their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.elements = 0

    def skip(self, count: int, what: str) -> int:
        """Step over ``count`` bytes and return where they began."""
        if count > len(self.data) - self.at:
            raise CheckpointError(
                f"truncated in {what}: {count} bytes wanted at offset {self.at}, "
                f"{len(self.data) - self.at} left"
            )
        self.at += count
        return self.at - count

    def number(self, form: str, what: str) -> int:
        """Read one little-endian number of `struct` format ``form``."""
        return struct.unpack_from("<" + form, self.data, self.skip(struct.calcsize(form), what))[0]

    def text(self, what: str) -> str:
        """Read one length-prefixed UTF-8 string."""
        size = self.number("Q", what)
        start = self.skip(size, what)
        try:
            return self.data[start : self.at].decode("utf-8")
        except UnicodeDecodeError:
            raise CheckpointError(f"{what} at offset {start} is not UTF-8") from None


def check_header(path: Path) -> None:
    """Check magic, version, counts, every metadata field and every tensor's place.

    Parameters
    ----------
    path : Path
        File to check.

    Raises
    ------
    CheckpointError
        If a field runs past the end of the file, repeats a name, has an unknown type, or a
        tensor lies outside the file.
    OSError
        If the file cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise CheckpointError(f"the file has {size} bytes; at most {LARGEST_FILE} are read")
    walk = _Walk(path.read_bytes())
    magic = walk.data[walk.skip(4, "the magic") :][:4]
    if magic != _MAGIC:
        raise CheckpointError(f"the file begins with {magic!r}; a GGUF begins with {_MAGIC!r}")
    version = walk.number("I", "the version")
    if version != _VERSION:
        raise CheckpointError(f"GGUF version {version}; version {_VERSION} is supported")
    tensors, keys = walk.number("Q", "the tensor count"), walk.number("Q", "the key count")
    for name, count in (("tensors", tensors), ("keys", keys)):
        if count > _MOST_ENTRIES:
            raise CheckpointError(f"{count} {name} announced; at most {_MOST_ENTRIES} are read")
    names: set[str] = set()
    for _ in range(keys):
        key = walk.text("a metadata key")
        if key in names:
            raise CheckpointError(f"metadata key {key!r} appears twice")
        names.add(key)
        _skip_value(walk, walk.number("I", f"the type of {key!r}"), key)
    places = [_tensor_place(walk) for _ in range(tensors)]
    # the default alignment: the writer of this package never sets another one
    data_start = -(-walk.at // 32) * 32
    for name, offset, count in places:
        if data_start + offset + count > len(walk.data):
            raise CheckpointError(
                f"truncated in tensor {name!r}: it ends at byte {data_start + offset + count}, "
                f"the file at {len(walk.data)}"
            )


def _skip_value(walk: _Walk, kind: int, key: str) -> None:
    """Step over one metadata value."""
    what = f"the value of {key!r}"
    if kind == _STRING:
        walk.text(what)
    elif kind in _SCALAR_BYTES:
        walk.skip(_SCALAR_BYTES[kind], what)
    elif kind == _ARRAY:
        inner, count = walk.number("I", what), walk.number("Q", what)
        walk.elements += count
        if walk.elements > _MOST_ELEMENTS:
            raise CheckpointError(
                f"{what} brings the arrays to {walk.elements} elements; "
                f"at most {_MOST_ELEMENTS} are read"
            )
        if inner in _SCALAR_BYTES:
            walk.skip(count * _SCALAR_BYTES[inner], what)
        elif inner == _STRING:
            for _ in range(count):
                walk.text(what)
        else:
            raise CheckpointError(
                f"{what} is an array of type {inner}; numbers or strings expected"
            )
    else:
        raise CheckpointError(f"{what} has unknown type {kind}; types 0 to 12 are defined")


def _tensor_place(walk: _Walk) -> tuple[str, int, int]:
    """Read one tensor description; return its name, its offset in the data and its bytes."""
    name = walk.text("a tensor name")
    what = f"the description of tensor {name!r}"
    rank = walk.number("I", what)
    if not 1 <= rank <= 4:
        raise CheckpointError(f"tensor {name!r} has {rank} dimensions; 1 to 4 are allowed")
    elements = 1
    for _ in range(rank):
        elements *= walk.number("Q", what)
    kind = walk.number("I", what)
    try:
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        raise CheckpointError(f"tensor {name!r} has unknown type {kind}") from None
    if elements % block:
        raise CheckpointError(f"tensor {name!r} has {elements} elements, not a multiple of {block}")
    return name, walk.number("Q", what), elements // block * block_bytes
