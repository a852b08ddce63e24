"""Widened numbers and products against NumPy: every float16, corners by corners, random pairs."""

from __future__ import annotations

import itertools

import numpy as np
from amaranth.hdl import Module, Signal

from lutra.hw.float_exact import multiply_exactly, widen_float
from lutra.hw.float_format import FLOAT16, FLOAT32

from .float_numbers import corners, random_pairs, same_numbers
from .vector_model import run_vectors


def test_sim_exact() -> None:
    m = Module()
    x, y = Signal(16), Signal(16)
    wide = widen_float(m, x, FLOAT16, FLOAT32, name="wide")
    product = multiply_exactly(m, x, y, FLOAT16, FLOAT32, name="product")
    some = corners(np.float16)
    pairs = np.concatenate([
        np.stack([np.arange(1 << 16), np.arange(1 << 16)], 1),
        np.array(list(itertools.product(some, some))),
        random_pairs(np.float16, 300_000, seed=3),
    ])  # fmt: skip
    got = run_vectors(m, {"operands": [x, y]}, [wide, product], {"operands": pairs})
    floats = pairs.astype(np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(all="ignore"):
        wanted = floats[:, 0], floats[:, 0] * floats[:, 1]
    for bits, numbers in zip(got, wanted, strict=True):
        assert same_numbers(bits, numbers, FLOAT32.nan).all()
