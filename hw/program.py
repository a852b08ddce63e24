"""Whole programs as arrays: `hw.isa`'s layouts applied to columns of fields at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .isa import INSTRUCTION_BITS, LAYOUTS, MAX_PLANES, Opcode

__all__ = ["INSTRUCTION_BYTES", "decode_columns", "encode_columns", "pack_planes", "unpack_planes"]

INSTRUCTION_BYTES = INSTRUCTION_BITS // 8

#: Offset and width of every field but the opcode and the padding.
_FIELDS = {
    opcode: {
        name: (field.offset, field.width)
        for name, field in layout
        if name not in ("opcode", "reserved")
    }
    for opcode, layout in LAYOUTS.items()
}


def encode_columns(opcode: Opcode, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Instruction words of one opcode.

    Parameters
    ----------
    opcode : Opcode
    columns : mapping of field name to array of integers, shape ``[n]``
        Missing fields are 0. The signed `coefficient` may be negative; `planes` are nibbles as
        `pack_planes` makes them, low 64 bits in one integer.

    Returns
    -------
    ndarray of uint64, shape ``[n, 2]``
        Low half first: the instructions as they lie in memory.

    Raises
    ------
    ValueError
        A field does not exist or a value does not fit its width.
    """
    length = len(next(iter(columns.values()))) if columns else 1
    words = np.zeros((length, 2), np.uint64)
    words[:, 0] = int(opcode)
    for name, column in columns.items():
        if name not in _FIELDS[opcode]:
            raise ValueError(f"{opcode.name} has no field {name!r}; it has {list(_FIELDS[opcode])}")
        offset, width = _FIELDS[opcode][name]
        raw = np.asarray(column)
        if name == "coefficient":
            if ((raw < -(1 << width - 1)) | (raw >= 1 << width - 1)).any():
                raise ValueError(f"coefficient must be from -32768 to 32767, not {raw}")
            raw = raw & (1 << width) - 1
        elif width < 64 and ((raw < 0) | (raw >= 1 << width)).any():
            bad = raw[(raw < 0) | (raw >= 1 << width)][0]
            raise ValueError(
                f"{opcode.name}.{name} must be from 0 to {2**width - 1}, not {int(bad)}"
            )
        value = raw.astype(np.uint64)
        half, bit = divmod(offset, 64)
        words[:, half] |= value << np.uint64(bit)
        if half == 0 and bit and bit + width > 64:
            words[:, 1] |= value >> np.uint64(64 - bit)
    return words


def decode_columns(opcode: Opcode, words: np.ndarray) -> dict[str, np.ndarray]:
    """Fields of instruction words ``[n, 2]`` of one opcode: the inverse of `encode_columns`.

    Columns are int64, but for the 64 bits of `planes`, which are uint64.
    """
    columns: dict[str, np.ndarray] = {}
    low, high = words[:, 0], words[:, 1]
    for name, (offset, width) in _FIELDS[opcode].items():
        half, bit = divmod(offset, 64)
        value = (high if half else low) >> np.uint64(bit)
        if half == 0 and bit and bit + width > 64:
            value = value | high << np.uint64(64 - bit)
        if width < 64:
            value = (value & np.uint64((1 << width) - 1)).astype(np.int64)
        if name == "coefficient":
            value = value - (value >> width - 1 << width)
        columns[name] = value
    return columns


def pack_planes(planes: list[tuple[int, bool]]) -> int:
    """The `planes` field of a PLANES instruction: (shift, negative) pairs, first plane lowest."""
    if len(planes) > MAX_PLANES:
        raise ValueError(f"planes must be at most {MAX_PLANES}, not {len(planes)}")
    return sum((shift | int(negative) << 3) << 4 * i for i, (shift, negative) in enumerate(planes))


def unpack_planes(field: int, count: int) -> list[tuple[int, bool]]:
    """The first `count` planes of a `planes` field, as `pack_planes` takes them."""
    nibbles = [int(field) >> 4 * i & 15 for i in range(count)]
    return [(nibble & 7, bool(nibble >> 3)) for nibble in nibbles]
