"""Zero skipping: K blocks of zeros cost no array cycles and change no result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.accelerator import Accelerator
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.zero_blocks import UsedBlocks
from lutra.hw.config import Config

from ..products import SHAPES


def sparse_case(
    rng: np.random.Generator, config: Config, n: int, k: int, m: int
) -> tuple[np.ndarray, QuantizedMatrix]:
    """Activations and weights with about half of the K blocks zero, all shapes of groups."""
    bits = int(rng.integers(2, config.max_weight_bits + 1))
    size = int(rng.choice([8, 16, 32, 33])) if config.scale_bits and rng.random() < 0.5 else None
    groups = 1 if size is None else -(-k // min(size, k))
    zeros = rng.integers(0, 1 << bits, (n, groups))
    width = k if size is None else min(size, k)
    codes = np.repeat(zeros, width, axis=1)[:, :k].astype(np.uint8)
    act_bits = min(config.act_bits, 8)
    x = np.zeros((m, k), np.int8)
    for group in range(0, k, width):
        for at in range(group, min(group + width, k), config.k_block):
            block = slice(at, min(at + config.k_block, group + width, k))
            if rng.random() < 0.5:
                codes[:, block] = rng.integers(0, 1 << bits, codes[:, block].shape)
            if rng.random() < 0.6:
                low = -(1 << act_bits - 1)
                x[:, block] = rng.integers(low, -low, x[:, block].shape)
    scales = None
    if config.scale_bits and rng.random() < 0.5:
        scales = rng.integers(0, 1 << config.scale_bits, (n, groups))
        scales[:, rng.random(groups) < 0.3] = 0
    return x, QuantizedMatrix.from_codes(
        codes, bits, group_size=size, zero_points=zeros, group_scales=scales
    )


@given(st.sampled_from(sorted(SHAPES)), st.integers(1, 150), st.integers(1, 300),
       st.integers(1, 8), st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=50)
def test_results_stay_and_cycles_go(name, n, k, m, seed):
    config = SHAPES[name]
    if config.table_bits or config.act_exponent_bits or not config.group_zeros:
        config = SHAPES["default"]
    x, weights = sparse_case(np.random.default_rng(seed), config, n, k, m)
    expected = x.astype(np.int64) @ weights.integers().T
    with Accelerator.open("golden", config=config, memory_bytes=1 << 22) as device:
        loaded = device.load(weights)
        before = device.memory.available
        some = device.matmul(x, loaded)
        some_busy = device.counters["array_busy"]
        fewest = device.matmul(x, loaded, skip_zeros=True)
        fewest_busy = device.counters["array_busy"]
        again = device.matmul(x, loaded)
        loaded.used = UsedBlocks()
        loaded.programs.clear()
        every = device.matmul(x, loaded)
        every_busy = device.counters["array_busy"]
        assert before - device.memory.available < before
    for y in (some, fewest, again, every):
        assert np.array_equal(y, expected)
    assert fewest_busy <= some_busy <= every_busy


@pytest.mark.parametrize("device", ["golden", "sim"])
def test_busy_cycles_are_those_of_the_blocks(device):
    # Twelve of twenty K blocks have weights, five of these have activations.
    config = "tiny"  # K blocks of 8 inputs, 4 lanes
    codes = np.full((24, 160), 2, np.uint8)
    rng = np.random.default_rng(0)
    for block in (0, 1, 4, 5, 6, 9, 11, 12, 13, 15, 18, 19):
        codes[:, 8 * block : 8 * block + 8] = rng.integers(0, 4, (24, 8))
    x = np.zeros((1, 160), np.int8)
    for block in (1, 2, 4, 9, 10, 15, 19):
        x[:, 8 * block + 3] = 1 + block
    weights = QuantizedMatrix.from_codes(codes, 2)
    with Accelerator.open(device, config=config) as accelerator:
        loaded = accelerator.load(weights)
        for skip, blocks in ((False, 12), (True, 5)):
            y = accelerator.matmul(x, loaded, skip_zeros=skip)
            assert np.array_equal(y, x.astype(int) @ weights.integers().T)
            assert accelerator.counters["array_busy"] == blocks * 24 // 4 * 2
        zero = accelerator.matmul(0 * x, loaded, skip_zeros=True)
        assert not zero.any()
        assert accelerator.counters["array_busy"] == 24 // 4 * 2  # one block clears the sums


def test_runs():
    weights = np.array([[1, 0], [0, 0], [1, 1], [0, 1], [0, 0]], bool)
    acts = np.array([[1, 1, 1, 0, 1]], bool)
    rows, outputs = slice(0, 1), slice(0, 2)
    assert UsedBlocks().runs(rows, outputs, 2, 5) == [(2, 5)]
    assert UsedBlocks(weights=weights).runs(rows, outputs, 0, 5) == [(0, 1), (2, 4)]
    assert UsedBlocks(weights=weights).runs(rows, slice(0, 1), 0, 5) == [(0, 1), (2, 3)]
    assert UsedBlocks(weights=weights, activations=acts).runs(rows, outputs, 0, 5) == [
        (0, 1), (2, 3),
    ]  # fmt: skip
    assert UsedBlocks(weights=weights).runs(rows, outputs, 4, 5) == [(4, 5)]
