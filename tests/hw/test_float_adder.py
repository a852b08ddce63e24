"""`add_floats` against NumPy: corners by corners, and random pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.hw.float_adder import add_floats
from lutra.hw.float_format import FLOAT16, FLOAT32, FloatFormat

from .float_numbers import check_operation


@pytest.mark.parametrize(("fmt", "kind"), [(FLOAT16, np.float16), (FLOAT32, np.float32)])
def test_sim_add_floats(fmt: FloatFormat, kind: type) -> None:
    check_operation(add_floats, np.add, fmt, kind, seed=1)
