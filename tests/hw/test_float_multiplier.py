"""`multiply_floats` against NumPy: corners by corners, and random pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from amaranth.hdl import Module, Signal

from lutra.hw.float_format import FLOAT16, FLOAT32, FloatFormat
from lutra.hw.float_multiplier import multiply_floats

from .float_numbers import corners, random_pairs, same_numbers, unsigned
from .vector_model import run_vectors


@pytest.mark.parametrize(("fmt", "kind"), [(FLOAT16, np.float16), (FLOAT32, np.float32)])
def test_sim_multiply_floats(fmt: FloatFormat, kind: type) -> None:
    m = Module()
    x, y = Signal(fmt.width), Signal(fmt.width)
    total = multiply_floats(m, x, y, fmt, name="multiply")
    some = corners(kind)
    if kind is np.float32:
        some = some[:: len(some) // 700]
    pairs = np.concatenate([
        np.array(list(itertools.product(some, some))), random_pairs(kind, 600_000, seed=2)
    ])  # fmt: skip
    (got,) = run_vectors(m, {"operands": [x, y]}, [total], {"operands": pairs})
    floats = pairs.astype(unsigned(kind)).view(kind)
    with np.errstate(all="ignore"):
        wanted = floats[:, 0] * floats[:, 1]
    right = same_numbers(got, wanted, fmt.nan)
    assert right.all(), [f"{a:x} {b:x}: {c:x}" for (a, b), c in
                         zip(pairs[~right][:5], got[~right][:5], strict=True)]  # fmt: skip
