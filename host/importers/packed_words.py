"""Codes packed in 32-bit words, and groups that inputs are assigned to one by one."""

from __future__ import annotations

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError

__all__ = ["group_columns", "unpack_bytes", "unpack_words"]


def unpack_words(words: np.ndarray, bits: int) -> np.ndarray:
    """Codes of 32-bit words ``[n, w]``, each row one stream of bits, lowest first.

    Returns
    -------
    ndarray of uint8, shape ``[n, w * 32 // bits]``
    """
    raw = np.ascontiguousarray(words, "<u4").view(np.uint8)
    return unpack_bytes(raw, bits)


def unpack_bytes(data: np.ndarray, bits: int) -> np.ndarray:
    """Codes of bytes ``[n, b]``, each row one stream of bits, lowest first."""
    if bits == 8:
        return np.ascontiguousarray(data)
    if 8 % bits:
        stream = np.unpackbits(np.ascontiguousarray(data), axis=1, bitorder="little")
        count = stream.shape[1] // bits
        fields = stream[:, : count * bits].reshape(len(data), count, bits)
        return (fields << np.arange(bits, dtype=np.uint8)).sum(2, dtype=np.uint8)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    fields = data[:, :, None] >> shifts & np.uint8((1 << bits) - 1)
    return fields.reshape(len(data), -1)


def group_columns(indices: np.ndarray, groups: int, name: str) -> tuple[int, np.ndarray | None]:
    """Size of the groups, and the order of the inputs in which every group is one run.

    Parameters
    ----------
    indices : ndarray of integers, shape ``[K]``
        Group of every input.
    groups : int
    name : str
        Of the tensor, for messages.

    Returns
    -------
    group_size : int
    columns : ndarray of integers, shape ``[K]``, or None
        None where the order is that of the inputs.

    Raises
    ------
    DamagedFileError
        An index is no group.
    UnsupportedTensorError
        Groups differ in size, but for a shorter last one.
    """
    if not len(indices) or int(indices.min()) < 0 or int(indices.max()) >= groups:
        raise DamagedFileError(f"group indices of tensor {name!r} must be below {groups}")
    size = int(np.count_nonzero(indices == 0))
    columns = np.argsort(indices, kind="stable")
    runs = np.arange(len(indices)) // max(size, 1)
    if not np.array_equal(indices[columns], runs):
        raise UnsupportedTensorError(
            f"group indices of tensor {name!r} must put {size} inputs into every group"
        )
    return size, None if np.array_equal(columns, np.arange(len(columns))) else columns
