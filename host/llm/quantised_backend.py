"""The decoder's products through quantised tables, in NumPy: what such a device gives, but fast.

The functional device looks weights up anew for every instruction. Here the rows that look the
entries up (`lutra.sim.quantised_tables`) are made once, and each K block is one product:

    y = sum_b (2**shift_b T_b C_b + c sum_x_b) >> halve
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...hw.config import Config
from ...sim.quantised_tables import digit_columns, stored_tables
from ..errors import UnsupportedFormatError
from ..matrix_layout import MatrixLayout
from ..packing import pad_groups
from ..quantized_matrix import QuantizedMatrix
from .backend import BackendInputError

__all__ = ["QuantisedTablesBackend"]


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    layout: MatrixLayout
    columns: NDArray[np.floating]  # [k_blocks, tables * entries, N]


class QuantisedTablesBackend:
    """A `LinearBackend` that gives the integers of a device with `Config.table_bits`.

    Parameters
    ----------
    config : Config
        Tables quantised, activations of 8 bits, without exponents.

    Raises
    ------
    UnsupportedFormatError
        `config` is something else.
    """

    def __init__(self, config: Config) -> None:
        if not config.table_bits or config.act_bits != 8 or config.act_exponent_bits:
            raise UnsupportedFormatError(
                f"configuration {config.name!r} must have table_bits, act_bits = 8 and no exponents"
            )
        self._config = config

    def load(self, name: str, codes: NDArray[np.uint8], *, bits: int, zero_point: int) -> object:
        """See `LinearBackend.load`."""
        c = self._config
        matrix = QuantizedMatrix.from_codes(codes, bits, zero_points=zero_point)
        layout = MatrixLayout.of(matrix, c)
        lowering = layout.lowering
        padded = pad_groups(codes, layout).reshape(len(codes), layout.k_blocks, c.k_block)
        columns = np.zeros((*padded.shape[:2], 0), np.float32)
        for digits, exponent, negative in zip(
            lowering.digits, lowering.exponents, lowering.negatives, strict=True
        ):
            plane = digit_columns(digits[padded], c).astype(np.float32)
            plane *= -(1 << exponent) if negative else 1 << exponent
            columns = columns + plane if columns.size else plane
        return _Weights(layout, np.ascontiguousarray(columns.transpose(1, 2, 0)))

    def matmul(self, x: NDArray[np.int8], handle: object) -> NDArray[np.integer]:
        """See `LinearBackend.matmul`."""
        if not isinstance(handle, _Weights):
            raise BackendInputError(f"the handle is {type(handle).__name__}, not one of `load`'s")
        layout, c = handle.layout, self._config
        blocks = pad_groups(x, layout).reshape(len(x), layout.k_blocks, c.k_block)
        total = np.zeros((len(x), layout.n), np.int64)
        for b in range(layout.k_blocks):
            tables, shift = stored_tables(blocks[:, b], c)
            # Below 2**24: `Config.acc_bits` of 8-bit activations, so float32 is exact.
            values = (tables.astype(np.float32) @ handle.columns[b]).astype(np.int64)
            values <<= shift[:, None]
            values += layout.coefficient * blocks[:, b].sum(-1, dtype=np.int64)[:, None]
            total += values >> int(layout.lowering.halve)
        return total
