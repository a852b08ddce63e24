"""Presets of the processing elements: busy arrays, right products, and what ternary gains."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator
from lutra.host.formats.codebook import from_ternary
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.table_error import table_error

PRESETS = ("w2a8", "w1p58a8", "w2a2_bitserial", "w2a8_add", "w2a8_mac", "w4a8_shiftadd",
           "w2a8_q8", "w4a8_bf16")  # fmt: skip
PARSED = ("w3a8_mac", "w8a8_mac", "w1a8_mac", "w3a8_shiftadd", "w3a8_lut3", "w8a16_add")
SIZE = 4096


@cache
def ternary() -> QuantizedMatrix:
    rng = np.random.default_rng(1)
    return from_ternary(rng.integers(-1, 2, (SIZE, SIZE)).astype(np.int8))


@cache
def counters(name: str) -> dict[str, int]:
    """Of one row times a ternary matrix, as the cycle model predicts them."""
    config = load_config(name)
    narrow = config.pe == "bitserial"
    x = np.random.default_rng(2).integers(-2 if narrow else -128, 2 if narrow else 128, (1, SIZE))
    with Accelerator.open("golden", config=config) as device:
        y = device.matmul(x, device.load(ternary()), act_bits=2 if narrow else None)
        if not config.table_bits:
            exact = x.astype(np.float64) @ ternary().integers().T.astype(np.float64)
            assert np.array_equal(y, exact)
        return device.counters


@pytest.mark.parametrize("name", [*PRESETS, *PARSED])
def test_the_array_is_busy(name):
    found = counters(name)
    assert found["array_busy"] / found["cycles"] >= 0.95


def test_native_ternary_does_more_in_a_lookup():
    """1.45 times the MACs of a lookup in a cycle, stalls and padding included."""
    each = {}
    for name in ("w2a8", "w1p58a8"):
        config = load_config(name)
        lookups = config.rows * config.lanes * config.tables
        each[name] = SIZE * SIZE / (counters(name)["cycles"] * lookups)
    assert each["w1p58a8"] / each["w2a8"] >= 1.45
    # From the same bus, and with fewer lookups, also fewer cycles.
    assert counters("w2a8")["cycles"] / counters("w1p58a8")["cycles"] >= 1.15


def test_elements_of_the_same_bus_do_the_same_work():
    cycles = [counters(name)["cycles"] for name in ("w2a8", "w2a8_add", "w2a8_mac", "w2a8_q8")]
    assert max(cycles) / min(cycles) < 1.01


def test_quantised_tables_are_off_by_what_is_said():
    error = table_error(load_config("w2a8_q8"))
    assert 0.001 < error.relative_rms < 0.03
    assert error.relative_max < 0.04
    exact = table_error(load_config("w2a8"))
    assert exact == (0.0, 0.0)
