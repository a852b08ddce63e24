"""The float16 arrays against NumPy, in simulation, and against each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from amaranth.hdl import Module, Value

from lutra.hw.config import ConfigError
from lutra.hw.float16_lookup_array import Float16LookupArray, float16_lookup
from lutra.hw.float16_mac_array import Float16MacArray, float16_mac
from lutra.hw.float16_shape import Float16Shape
from lutra.hw.float16_table import sum_schedule

from .float_numbers import corners, same_numbers, unsigned
from .vector_model import run_vectors

_SHAPES = [
    Float16Shape(rows=1, lanes=3, tables=1),
    Float16Shape(rows=2, lanes=2, tables=3, pipeline=1),
    Float16Shape(rows=1, lanes=2, tables=2, lookup_group=5, pipeline=2),
    Float16Shape(rows=1, lanes=2, tables=1, lookup_group=6, sum_bits=32),
    Float16Shape(rows=2, lanes=2, tables=2, lookup_group=3, sum_bits=32, pipeline=1),
    Float16Shape(rows=1, lanes=1, tables=5, lookup_group=2, pipeline=8),
]
_BLOCKS, _WORDS = 60, 40


def _floats(rng: np.random.Generator, shape: tuple[int, ...], kind: type, wild: bool) -> np.ndarray:
    """Mostly numbers of near size, so that sums cancel; anything at all if `wild`."""
    if wild:
        return rng.choice(corners(kind), shape).astype(unsigned(kind)).view(kind)
    numbers = rng.standard_normal(shape) * 2.0 ** rng.integers(-3, 4, shape)
    scale = 2.0 ** rng.integers(-20, 12, (len(numbers),) + (1,) * (len(shape) - 1))
    return (numbers * scale).astype(kind)


def _columns(*arrays: np.ndarray) -> np.ndarray:
    return np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)


def _run(
    dut: Float16LookupArray | Float16MacArray,
    shape: Float16Shape,
    x: np.ndarray,
    words: np.ndarray,
    before: np.ndarray,
    element_bits: int,
) -> Iterator[np.ndarray]:
    """Bits of the sums ``[words, rows, lanes]`` of every K block."""
    m = Module()
    m.submodules.dut = dut
    build = len(sum_schedule(shape.lookup_group)[1]) + 1
    cycles = build + _WORDS + dut.latency
    blocks = len(x)
    given = {
        "x": np.repeat(x.transpose(0, 2, 1).reshape(blocks, -1).view(np.uint16), cycles, axis=0),
        "valid": np.zeros((blocks, cycles), np.uint8),
        "advance": np.zeros((blocks, cycles), np.uint8),
        "weights": np.zeros((blocks, cycles, words.shape[-1]), np.uint16),
        "before": np.zeros((blocks, cycles, shape.rows * shape.lanes), np.uint32),
    }
    given["valid"][:, :build] = 1
    given["advance"][:, build - 1] = 1
    given["weights"][:, build : build + _WORDS] = words
    late = build + dut.latency - 1
    bits = before.view(unsigned(before.dtype.type))
    given["before"][:, late : late + _WORDS] = bits.reshape(*bits.shape[:2], -1)
    flat = Value.cast(dut.weights)
    inputs = {
        "x": [dut.x.payload[i : i + 16] for i in range(0, len(dut.x.payload), 16)],
        "valid": [dut.x.valid],
        "advance": [dut.advance],
        "weights": [flat[i : i + element_bits] for i in range(0, len(flat), element_bits)],
        "before": list(dut.before),
    }
    vectors = {name: np.asarray(v).reshape(blocks * cycles, -1) for name, v in given.items()}
    outputs = run_vectors(m, inputs, [*dut.sums, dut.built], vectors)
    assert outputs.pop().reshape(blocks, cycles)[:, build - 1].all()
    got = np.stack(outputs, -1).reshape(blocks, cycles, shape.rows, shape.lanes)
    yield from got[:, build + dut.latency : build + dut.latency + _WORDS]


def _stimulus(shape: Float16Shape, seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = np.float16 if shape.sum_bits == 16 else np.float32
    halves = _BLOCKS // 2
    sums = (halves, _WORDS, shape.rows, shape.lanes)
    x = [_floats(rng, (halves, shape.rows, shape.k_block), np.float16, wild) for wild in (0, 1)]
    before = [_floats(rng, sums, kind, wild) for wild in (0, 1)]
    return rng, np.concatenate(x), np.concatenate(before)


@pytest.mark.parametrize("shape", _SHAPES, ids=str)
def test_sim_lookups(shape: Float16Shape) -> None:
    rng, x, before = _stimulus(shape, 1)
    bits = rng.integers(0, 2, (_BLOCKS, _WORDS, shape.lanes, shape.k_block), np.uint8)
    words = np.array([[Float16LookupArray.weight_bits(w, shape.lookup_group) for w in block]
                      for block in bits])  # fmt: skip
    got = _run(Float16LookupArray(shape), shape, x, words, before, 1)
    for block, sums in enumerate(got):
        for word in range(_WORDS):
            wanted = float16_lookup(
                x[block], bits[block, word], before[block, word], shape.lookup_group
            )
            assert same_numbers(sums[word], wanted, shape.sums.nan).all()


@pytest.mark.parametrize("shape", _SHAPES[:2] + _SHAPES[4:5], ids=str)
def test_sim_macs(shape: Float16Shape) -> None:
    rng, x, before = _stimulus(shape, 2)
    lead = (_BLOCKS, _WORDS, shape.lanes, shape.k_block)
    weights = _floats(rng, lead, np.float16, wild=False)
    weights[::4] = _floats(rng, (len(weights[::4]), *lead[1:]), np.float16, wild=True)
    words = weights.view(np.uint16).reshape(_BLOCKS, _WORDS, -1)
    got = _run(Float16MacArray(shape), shape, x, words, before, 16)
    for block, sums in enumerate(got):
        for word in range(_WORDS):
            wanted = float16_mac(x[block], weights[block, word], before[block, word])
            assert same_numbers(sums[word], wanted, shape.sums.nan).all()


def test_lookups_are_the_products_with_plus_and_minus_one() -> None:
    shape = Float16Shape(rows=3, lanes=5, tables=3)
    rng, x, before = _stimulus(shape, 3)
    for block in range(_BLOCKS // 2):
        bits = rng.integers(0, 2, (shape.lanes, shape.k_block))
        sums = float16_lookup(x[block], bits, before[block, 0], shape.lookup_group)
        macs = float16_mac(x[block], (2.0 * bits - 1).astype(np.float16), before[block, 0])
        np.testing.assert_array_equal(sums, macs)  # which says nothing of the sign of a zero


def test_init_shape() -> None:
    assert Float16Shape(tables=3, lookup_group=5).k_block == 15
    with pytest.raises(ConfigError, match="lookup_group must be from 2 to 6, not 7"):
        Float16Shape(lookup_group=7)
    with pytest.raises(ConfigError, match="sum_bits must be 16 or 32, not 24"):
        Float16Shape(sum_bits=24)
    with pytest.raises(TypeError, match="rows must be int, not True"):
        Float16Shape(rows=True)
    assert Float16Shape().latency(1) == 1
    assert Float16Shape(pipeline=1).latency(8) == 5
    assert Float16Shape(pipeline=2).latency(32) == 4
