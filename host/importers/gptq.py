"""The GPTQ layout: 32-bit words packed along the inputs, zero points along the outputs.

    qweight  int32 [K bits / 32, N]   codes of one output, lowest bits first
    qzeros   int32 [G, N bits / 32]   zero points less one (``gptq_v2``: themselves)
    scales   float [G, N]
    g_idx    int32 [K]                group of every input; absent: inputs in order

    weight[n, k] = scales[g, n] * (q[n, k] - zero[g, n]),  g = g_idx[k]

References
----------
Frantar et al., *GPTQ*, ICLR 2023 (arXiv:2210.17323); the layout is AutoGPTQ's, whose zero points
are not wrapped after the one is added: 16 is a zero point of 4-bit codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor
from .packed_words import group_columns, unpack_words
from .stored_array import FLOATS, StoredArray

__all__ = ["gptq_matrix"]

_WIDTHS = (2, 3, 4, 8)


def gptq_matrix(
    name: str, arrays: dict[str, StoredArray | None], settings: dict[str, Any]
) -> ImportedTensor:
    """The matrix of ``qweight``, ``qzeros``, ``scales`` and perhaps ``g_idx``.

    Parameters
    ----------
    name : str
    arrays : dict
    settings : dict
        ``checkpoint_format`` and ``group_size`` as in the model's ``quantization_config``.

    Raises
    ------
    DamagedFileError, UnsupportedTensorError
    """
    weight, zeros, scales, indices = (
        arrays[key] for key in ("qweight", "qzeros", "scales", "g_idx")
    )
    if weight is None or zeros is None or scales is None:
        raise DamagedFileError(f"tensor {name!r} must have qweight, qzeros and scales")
    weight.check(("I32",), None, None)
    words, n = weight.shape
    scales.check(FLOATS, None, n)
    groups = scales.shape[0]
    zeros.check(("I32",), groups, None)
    bits, rest = divmod(32 * zeros.shape[1], n) if n else (0, 0)
    if bits not in _WIDTHS or rest:
        raise UnsupportedTensorError(
            f"tensor {name!r} must have codes of {_WIDTHS} bits, not {32 * zeros.shape[1]}/{n}"
        )
    k, rest = divmod(32 * words, bits)
    if rest or not k or not groups:
        raise DamagedFileError(f"tensor {name!r} must have whole words of {bits}-bit codes")
    matrix = _Matrix(name, bits, weight, zeros, scales, settings.get("checkpoint_format"))
    stated = settings.get("group_size")
    if indices is not None:
        indices.check(("I32",), k)
        matrix.indices = indices
        matrix.group_size = max(1, int(np.count_nonzero(indices.read() == 0)))
    elif isinstance(stated, int) and stated > 0 and -(-k // stated) == groups:
        matrix.group_size = stated
    elif k % groups == 0:
        matrix.group_size = k // groups
    else:
        raise UnsupportedTensorError(
            f"tensor {name!r} must have a g_idx: {k} inputs are not {groups} equal groups"
        )
    parts = [array for array in arrays.values() if array is not None]
    return ImportedTensor(
        name=name,
        type="GPTQ",
        shape=(n, k),
        bits=bits,
        group_size=matrix.group_size,
        nbytes=sum(array.nbytes for array in parts),
        read_rows=matrix.read_rows,
    )


class _Matrix:
    def __init__(
        self,
        name: str,
        bits: int,
        weight: StoredArray,
        zeros: StoredArray,
        scales: StoredArray,
        version: object,
    ) -> None:
        self.name, self.bits = name, bits
        self.weight, self.zeros, self.scales = weight, zeros, scales
        self.less = 0 if version == "gptq_v2" else 1
        self.indices: StoredArray | None = None
        self.group_size = 0

    def read_rows(self, first: int, last: int) -> GroupedCodes:
        codes = unpack_words(self.weight.read(slice(None), slice(first, last)).T, self.bits)
        # Whole words: 32 zero points take `bits` of them.
        low, high = first // 32, -(-last // 32)
        words = self.zeros.read(slice(None), slice(low * self.bits, high * self.bits))
        zeros = unpack_words(words, self.bits)[:, first - 32 * low : last - 32 * low]
        columns, size = None, self.group_size
        if self.indices is not None:
            size, columns = group_columns(self.indices.read(), len(zeros), self.name)
        if columns is not None:
            codes = codes[:, columns]
        scales = self.scales.read(slice(None), slice(first, last))
        return GroupedCodes(
            codes=codes,
            bits=self.bits,
            group_size=size,
            scales=widened(scales.T),
            zeros=np.ascontiguousarray(zeros.T, np.float32) + np.float32(self.less),
            columns=columns,
        )
