"""The BitNet layout: four ternary weights in a byte, a quarter of the outputs apart.

    weight        uint8 [N / 4, K]   bits 2i, 2i+1 of row r: output ``i N / 4 + r``, less one
    weight_scale  float [1]

`BitLinear` layers divide by the scale, `AutoBitLinear` layers (``"linear_class": "autobitlinear"``
in the model's ``quantization_config``) multiply with it.

References
----------
Ma et al., *The Era of 1-bit LLMs*, 2024 (arXiv:2402.17764); the layout is that of the BitNet
integration of Transformers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .grouped_codes import GroupedCodes, widened
from .imported_tensor import ImportedTensor
from .stored_array import FLOATS, StoredArray

__all__ = ["bitnet_matrix"]

_PER_BYTE = 4


def bitnet_matrix(
    name: str, weight: StoredArray, scale: StoredArray, settings: dict[str, Any]
) -> ImportedTensor:
    """The matrix of a packed ``weight`` and its ``weight_scale``.

    Raises
    ------
    DamagedFileError
    """
    weight.check(("U8",), None, None)
    scale.check(FLOATS, *((1,) if scale.shape else ()))
    packed, k = weight.shape
    multiply = settings.get("linear_class") == "autobitlinear"

    def read_rows(first: int, last: int) -> GroupedCodes:
        codes = np.empty((last - first, k), np.uint8)
        at = first
        while at < last:
            quarter, row = divmod(at, packed)
            count = min(last - at, packed - row)
            part = weight.read(slice(row, row + count), slice(None))
            codes[at - first : at - first + count] = part >> np.uint8(2 * quarter) & 3
            at += count
        factor = widened(scale.read()).reshape(1, 1)
        if not multiply:
            with np.errstate(all="ignore"):
                factor = np.float32(1) / factor
        return GroupedCodes(
            codes=codes,
            bits=2,
            group_size=k,
            scales=np.repeat(factor, last - first, axis=0),
            zeros=1.0,
        )

    return ImportedTensor(
        name=name,
        type="BitNet",
        shape=(packed * _PER_BYTE, k),
        bits=2,
        group_size=k,
        nbytes=weight.nbytes + scale.nbytes,
        read_rows=read_rows,
    )
