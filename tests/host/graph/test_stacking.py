"""Stacked matrices mean what their parts mean."""

from __future__ import annotations

import numpy as np

from lutra.host import QuantizedMatrix
from lutra.host.graph.stacking import stack, stackable


def matrix(rows: int, *, bits: int = 3, zeros: object = None, k: int = 20) -> QuantizedMatrix:
    rng = np.random.default_rng(rows)
    return QuantizedMatrix.from_codes(
        rng.integers(0, 1 << bits, (rows, k)).astype(np.uint8),
        bits,
        group_size=8,
        zero_points=zeros,  # pyright: ignore[reportArgumentType]
        group_scales=rng.integers(1, 9, (rows, 3)),
        row_scales=rng.uniform(1, 2, rows).astype(np.float32),
    )


def test_rows_are_those_of_the_parts() -> None:
    parts = [matrix(3), matrix(5), matrix(2)]
    assert stackable(parts[0], parts[1])
    whole = stack(parts)
    np.testing.assert_array_equal(
        whole.dequantize(), np.concatenate([p.dequantize() for p in parts])
    )
    assert stack(parts[:1]) is parts[0]


def test_zero_points_of_both_kinds_meet() -> None:
    grid = np.random.default_rng(0).integers(0, 8, (4, 3))
    parts = [matrix(3), matrix(4, zeros=grid), matrix(2, zeros=1)]
    np.testing.assert_array_equal(
        stack(parts).dequantize(), np.concatenate([p.dequantize() for p in parts])
    )


def test_other_widths_and_inputs_do_not_stack() -> None:
    assert not stackable(matrix(3), matrix(3, bits=4))
    assert not stackable(matrix(3), matrix(3, k=21))
