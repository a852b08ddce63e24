"""Quantised tables in NumPy against the functional device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator
from lutra.host.errors import UnsupportedFormatError
from lutra.host.llm.accelerator_backend import AcceleratorBackend
from lutra.host.llm.backend import BackendInputError
from lutra.host.llm.quantised_backend import QuantisedTablesBackend


@pytest.mark.parametrize("base", ["w2a8_q8", "w1p58a8"])
@pytest.mark.parametrize(("bits", "zero_point"), [(2, 1), (8, 128)])
def test_integers_are_those_of_the_device(base, bits, zero_point):
    config = replace(load_config(base), table_bits=7)
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 3 if bits == 2 else 256, (50, 150)).astype(np.uint8)
    x = rng.normal(size=(5, 150)) * np.exp(rng.normal(size=150))
    x = np.rint(x / np.abs(x).max(1, keepdims=True) * 127).astype(np.int8)
    x[0] = -128
    results = []
    with Accelerator.open("golden", config=config) as device:
        for backend in (AcceleratorBackend(device), QuantisedTablesBackend(config)):
            handle = backend.load("layer", codes, bits=bits, zero_point=zero_point)
            results.append(backend.matmul(x, handle))
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], x.astype(int) @ (codes.astype(int) - zero_point).T)


def test_what_is_refused():
    with pytest.raises(UnsupportedFormatError, match="must have table_bits"):
        QuantisedTablesBackend(load_config("w2a8"))
    with pytest.raises(BackendInputError, match="handle is str"):
        QuantisedTablesBackend(load_config("w2a8_q8")).matmul(np.zeros((1, 1), np.int8), "x")
