"""`multiply_floats` against NumPy: corners by corners, and random pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.hw.float_format import FLOAT16, FLOAT32, FloatFormat
from lutra.hw.float_multiplier import multiply_floats

from .float_numbers import check_operation


@pytest.mark.parametrize(("fmt", "kind"), [(FLOAT16, np.float16), (FLOAT32, np.float32)])
def test_sim_multiply_floats(fmt: FloatFormat, kind: type) -> None:
    check_operation(multiply_floats, np.multiply, fmt, kind, seed=2)
