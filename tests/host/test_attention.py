"""Attention on the array: exact integers, and how far it is from float attention."""

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.attention import DeviceProducts, GrowingCodes, KeyValueCache
from lutra.host.cache_codes import quantise_positions
from lutra.host.errors import RangeError, ShapeError
from lutra.host.growing_matrix import GrowingMatrix
from lutra.host.llm.attention import causal_attention

RNG = np.random.default_rng(4)


class CheckedProducts(DeviceProducts):
    """Compares every product with a plain NumPy one."""

    compared = 0

    def matmul(self, x: np.ndarray, matrix: GrowingCodes) -> np.ndarray:
        assert isinstance(matrix, GrowingMatrix)
        y = super().matmul(x, matrix)
        weights = matrix.codes.astype(np.int64) - 8
        by_outputs = matrix.layout.n_pitch > matrix.layout.n_blocks
        golden = x.astype(np.int64) @ (weights.T if by_outputs else weights)
        np.testing.assert_array_equal(y, golden)
        type(self).compared += y.size
        return y


def tensors(count: int, heads: int, group: int, width: int):
    query = RNG.normal(size=(count, heads * group, width))
    keys, values = RNG.normal(size=(2, count, heads, width))
    return query, keys, values


def float_attention(query, keys, values):
    group = query.shape[1] // keys.shape[1]
    wide = [np.repeat(a, group, axis=1)[None].astype(np.float32) for a in (keys, values)]
    return causal_attention(query[None].astype(np.float32), *wide)[0]


def error(out: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square of the difference over that of what is wanted."""
    return float(np.sqrt(np.mean((out - wanted) ** 2) / np.mean(wanted**2)))


@pytest.mark.parametrize("group", [1, 3])
def test_exact_and_close_on_the_hardware(group: int):
    """40 positions, then 10 one by one, int4: every integer compared; within 13 % of float."""
    query, keys, values = tensors(50, 2, group, 32)
    wanted = float_attention(query, keys, values)
    with Accelerator.open("sim", config="w2a8") as device:
        cache = KeyValueCache(CheckedProducts(device), heads=2, head_width=32, bits=4)
        cache.append(keys[:40], values[:40])
        outs = [cache.attend(query[:40])]
        for i in range(40, 50):
            cache.append(keys[i : i + 1], values[i : i + 1])
            outs.append(cache.attend(query[i : i + 1]))
        assert cache.length == 50
    assert CheckedProducts.compared >= 2 * 2 * group * 40 * 40
    assert error(np.concatenate(outs), wanted) < 0.13


@pytest.mark.parametrize(("bits", "most"), [(8, 0.014), (6, 0.04), (4, 0.13), (3, 0.3), (2, 0.7)])
def test_error_against_float(bits: int, most: float):
    """Normal queries, keys and values, 128 positions of 64 features."""
    query, keys, values = tensors(128, 2, 1, 64)
    wanted = float_attention(query, keys, values)
    with Accelerator.open("golden", config="w2a8") as device:
        cache = KeyValueCache(device, heads=2, head_width=64, bits=bits)
        cache.append(keys, values)
        assert most / 3 < error(cache.attend(query), wanted) < most


def test_reading_at_once_or_one_by_one_is_the_same():
    query, keys, values = tensors(20, 1, 2, 16)
    with Accelerator.open("golden", config="tiny") as device:
        whole = KeyValueCache(device, heads=1, head_width=16, bits=2)
        whole.append(keys, values)
        steps = KeyValueCache(device, heads=1, head_width=16, bits=2)
        outs = []
        for i in range(20):
            steps.append(keys[i : i + 1], values[i : i + 1])
            outs.append(steps.attend(query[i : i + 1]))
        np.testing.assert_allclose(np.concatenate(outs), whole.attend(query), rtol=1e-6)


def test_one_position_is_its_own_value():
    _, keys, values = tensors(1, 2, 1, 16)
    with Accelerator.open("golden", config="tiny") as device:
        cache = KeyValueCache(device, heads=2, head_width=16, bits=8)
        cache.append(keys, values)
        spread = np.ptp(values, axis=2).max()
        assert np.abs(cache.attend(keys) - values).max() < spread / 255


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_positions_are_within_half_a_step(bits: int):
    rows = RNG.normal(size=(30, 40)) * RNG.exponential(size=(30, 1))
    codes, scales, centres = quantise_positions(rows, bits)
    back = scales[:, None] * (codes - float(1 << bits - 1)) + centres[:, None]
    assert (np.abs(back - rows) <= scales[:, None] / 2 * (1 + 1e-9)).all()
    assert codes.max() == (1 << bits) - 1
    flat, _, middle = quantise_positions(np.full((1, 5), 3.5), bits)
    assert not flat.any()
    assert middle[0] == pytest.approx(3.5)


def test_wrong_use_is_named():
    with Accelerator.open("golden", config="tiny") as device:
        with pytest.raises(RangeError, match="heads must be at least 1, not 0"):
            KeyValueCache(device, heads=0, head_width=4)
        with pytest.raises(RangeError, match="bits must be from 2 to 8, not 1"):
            KeyValueCache(device, heads=1, head_width=4, bits=1)
        cache = KeyValueCache(device, heads=2, head_width=4)
        ones = np.ones((1, 2, 4))
        with pytest.raises(ShapeError, match="query must have shape"):
            cache.attend(ones)
        with pytest.raises(ShapeError, match=r"values must have shape \(1, 2, 4\)"):
            cache.append(ones, np.ones((1, 2, 5)))
        with pytest.raises(RangeError, match="finite"):
            cache.append(ones * np.nan, ones)
        cache.append(ones, ones)
        for shape in ((2, 2, 4), (1, 3, 4), (1, 2, 5), (1, 2)):
            with pytest.raises(ShapeError, match="query must have shape"):
                cache.attend(np.ones(shape))
        cache.free()
        cache.free()
