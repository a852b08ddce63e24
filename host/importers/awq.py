"""The AWQ layout (GEMM version): eight outputs in a word, in an order of their own.

    qweight  int32 [K, N / 8]
    qzeros   int32 [G, N / 8]
    scales   float [G, N]

    weight[n, k] = scales[k / size, n] * (q[k, n] - zero[k / size, n])

The nibbles of a word, lowest first, are the outputs 0, 2, 4, 6, 1, 3, 5, 7.

References
----------
Lin et al., *AWQ*, MLSys 2024 (arXiv:2306.00978); the layout is AutoAWQ's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .errors import DamagedFileError
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor
from .packed_words import unpack_words
from .stored_array import FLOATS, StoredArray

__all__ = ["awq_matrix", "is_awq"]

_BITS, _PER_WORD = 4, 8
#: Nibble of each of a word's outputs.
_NIBBLES = np.array([0, 4, 1, 5, 2, 6, 3, 7])


def is_awq(arrays: dict[str, StoredArray | None]) -> bool:
    """Codes are packed along the outputs: as many words in a row as zero points have."""
    weight, zeros, scales = arrays["qweight"], arrays["qzeros"], arrays["scales"]
    if weight is None or zeros is None or scales is None:
        return False
    widths = [array.shape[-1] for array in (weight, zeros, scales) if array.shape]
    return len(widths) == 3 and widths[0] == widths[1] != widths[2]


def awq_matrix(
    name: str, arrays: dict[str, StoredArray | None], settings: dict[str, Any]
) -> ImportedTensor:
    """The matrix of ``qweight``, ``qzeros`` and ``scales``.

    Raises
    ------
    DamagedFileError
    """
    del settings  # all that matters is in the shapes
    weight, zeros, scales = arrays["qweight"], arrays["qzeros"], arrays["scales"]
    if weight is None or zeros is None or scales is None:
        raise DamagedFileError(f"tensor {name!r} must have qweight, qzeros and scales")
    weight.check(("I32",), None, None)
    k, words = weight.shape
    scales.check(FLOATS, None, words * _PER_WORD)
    groups = scales.shape[0]
    zeros.check(("I32",), groups, words)
    if not k or not groups or k % groups:
        raise DamagedFileError(
            f"tensor {name!r} must have equal groups, not {groups} of {k} inputs"
        )
    return ImportedTensor(
        name=name,
        type="AWQ",
        shape=(words * _PER_WORD, k),
        bits=_BITS,
        group_size=k // groups,
        nbytes=weight.nbytes + zeros.nbytes + scales.nbytes,
        read_rows=functools.partial(_read_rows, weight, zeros, scales, k // groups),
    )


def _read_rows(
    weight: StoredArray,
    zeros: StoredArray,
    scales: StoredArray,
    group_size: int,
    first: int,
    last: int,
) -> GroupedCodes:
    return GroupedCodes(
        codes=_outputs(weight, first, last),
        bits=_BITS,
        group_size=group_size,
        scales=widened(scales.read(slice(None), slice(first, last)).T),
        zeros=_outputs(zeros, first, last).astype(np.float32),
    )


def _outputs(array: StoredArray, first: int, last: int) -> np.ndarray:
    """Codes of outputs `first` to `last`, uint8 ``[n, rows of the array]``."""
    low, high = first // _PER_WORD, -(-last // _PER_WORD)
    words = array.read(slice(None), slice(low, high))
    nibbles = unpack_words(words, _BITS).reshape(len(words), -1, _PER_WORD)
    outputs = nibbles[:, :, _NIBBLES].reshape(len(words), -1)
    shift = low * _PER_WORD
    return np.ascontiguousarray(outputs[:, first - shift : last - shift].T)
