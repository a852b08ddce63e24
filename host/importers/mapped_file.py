"""Files as read-only memory: nothing is read before somebody looks at it."""

from __future__ import annotations

import mmap
import os

import numpy as np

from .errors import DamagedFileError

__all__ = ["Buffer", "element_count", "map_file", "span"]

#: Anything that files come as: mapped or, in tests, bytes.
Buffer = memoryview

#: Elements that no tensor of a real file has: products beyond it are lies about sizes.
_MOST_ELEMENTS = 1 << 48
_MOST_DIMENSIONS = 32


def map_file(path: str | os.PathLike[str]) -> Buffer:
    """The bytes of a file, mapped.

    Raises
    ------
    DamagedFileError
        The file is empty.
    OSError
        It cannot be read.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise DamagedFileError("the file must not be empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def span(data: Buffer, offset: int, size: int, what: str) -> np.ndarray:
    """`size` bytes from `offset` on, as a read-only uint8 view.

    Raises
    ------
    DamagedFileError
        They do not all lie in `data`.
    """
    if offset < 0 or size < 0 or offset + size > len(data):
        raise DamagedFileError(
            f"truncated in {what}: it ends at byte {offset + size}, the file at {len(data)}"
        )
    return np.frombuffer(data, np.uint8, size, offset) if size else np.empty(0, np.uint8)


def element_count(shape: tuple[int, ...], what: str) -> int:
    """Product of the dimensions; 1 where there are none.

    Raises
    ------
    DamagedFileError
        A dimension is negative, or the product is one that no file holds.
    """
    if len(shape) > _MOST_DIMENSIONS:
        raise DamagedFileError(
            f"{what} must have at most {_MOST_DIMENSIONS} dimensions, not {len(shape)}"
        )
    total, bound = 1, 1
    for extent in shape:
        total *= extent
        bound *= max(extent, 1)
        if extent < 0 or bound > _MOST_ELEMENTS:
            raise DamagedFileError(f"{what} must have a possible shape, not {list(shape)}")
    return total
