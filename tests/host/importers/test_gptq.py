from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from safetensors.numpy import save_file

from lutra.host.formats.composite import CompositeMatrix
from lutra.host.importers import (
    DamagedFileError,
    ImportedTensor,
    UnsupportedTensorError,
    load_model,
)

N, K = 32, 96


def words(codes: np.ndarray, bits: int) -> np.ndarray:
    """Rows of codes as 32-bit words: one long number a row, as big as it takes."""
    count = codes.shape[1] * bits // 32
    result = np.empty((len(codes), count), np.uint32)
    for r, row in enumerate(codes.tolist()):
        number = sum(code << bits * i for i, code in enumerate(row))
        result[r] = [number >> 32 * w & 0xFFFFFFFF for w in range(count)]
    return result.view(np.int32)


def layer(
    bits: int, group: int, *, order: bool = False, scale: type = np.float16, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arrays of one layer, and its weights by the definition."""
    rng = default_rng(seed)
    groups = -(-K // group)
    codes = rng.integers(0, 1 << bits, (N, K))
    stored = rng.integers(0, 1 << bits, (groups, N))
    scales = rng.uniform(0.001, 0.1, (groups, N)).astype(scale)
    index = np.arange(K) // group
    if order:
        index = rng.permutation(index)
    arrays = {
        "qweight": np.ascontiguousarray(words(codes, bits).T),
        "qzeros": words(stored, bits),
        "scales": scales,
        "g_idx": index.astype(np.int32),
    }
    weights = scales.astype(np.float32)[index].T * (codes - stored[index].T - 1).astype(np.float32)
    return {f"model.q_proj.{name}": array for name, array in arrays.items()}, weights


def save(arrays: dict[str, np.ndarray], folder: Path, **config: object) -> Path:
    path = folder / "model.safetensors"
    save_file(arrays, path)
    if config:
        (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
    return path


def imported(path: Path) -> ImportedTensor:
    model = load_model(path)
    assert list(model) == ["model.q_proj.weight"]
    tensor = model.tensor("model.q_proj.weight")
    assert isinstance(tensor, ImportedTensor)
    return tensor


@pytest.mark.parametrize("scale", [np.float16, np.float32])
@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("group", [32, 40, 96])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_are_those_of_the_definition(tmp_path, bits, group, order, scale):
    arrays, weights = layer(bits, group, order=order, scale=scale)
    tensor = imported(save(arrays, tmp_path))
    assert (tensor.type, tensor.bits, tensor.group_size) == ("GPTQ", bits, group)
    assert tensor.nbytes == sum(array.nbytes for array in arrays.values())
    assert np.array_equal(tensor.dequantize(), weights)
    assert np.array_equal(tensor.dequantize(slice(5, 19)), weights[5:19])


def test_second_version_stores_zero_points_themselves(tmp_path):
    arrays, weights = layer(4, 32)
    path = save(arrays, tmp_path, quant_method="gptq", checkpoint_format="gptq_v2")
    factors = np.repeat(arrays["model.q_proj.scales"].astype(np.float32).T, 32, axis=1)
    read = imported(path).read()
    assert read.zeros.max() == 15
    assert np.allclose(imported(path).dequantize(), weights + factors, atol=1e-6)


def test_without_group_indices(tmp_path):
    arrays, weights = layer(4, 32)
    del arrays["model.q_proj.g_idx"]
    assert np.array_equal(imported(save(arrays, tmp_path)).dequantize(), weights)
    arrays, weights = layer(4, 40)
    del arrays["model.q_proj.g_idx"]
    assert np.array_equal(imported(save(arrays, tmp_path, group_size=40)).dequantize(), weights)
    arrays, _ = layer(4, 20)
    del arrays["model.q_proj.g_idx"]
    with pytest.raises(UnsupportedTensorError, match="96 inputs are not 5 equal groups"):
        load_model(save(arrays, tmp_path, group_size=128))


def test_reordered_inputs_become_gathered_columns(tmp_path):
    arrays, weights = layer(4, 32, order=True)
    model = load_model(save(arrays, tmp_path), exact=True)
    matrix = model["model.q_proj.weight"]
    assert isinstance(matrix, CompositeMatrix)
    assert all(part.columns is not None for part in matrix.parts)
    assert np.array_equal(matrix.dequantize(), weights.astype(np.float64))


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"qzeros": None}, DamagedFileError, "must have qweight, qzeros and scales"),
    ({"qweight": np.zeros((12, 32), np.int16)}, DamagedFileError, "must be I32, not I16"),
    ({"qweight": np.zeros((12, 31), np.int32)}, DamagedFileError, r"must have shape \[any, 31\]"),
    ({"qzeros": np.zeros((3, 5), np.int32)}, UnsupportedTensorError, "bits, not 160/32"),
    ({"g_idx": np.zeros(95, np.int32)}, DamagedFileError, r"must have shape \[96\], not \[95\]"),
])  # fmt: skip
def test_contradictions_are_named(tmp_path, change, error, message):
    arrays, _ = layer(4, 32)
    for name, array in change.items():
        arrays[f"model.q_proj.{name}"] = array
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(error, match=message):
        load_model(save(arrays, tmp_path))


@pytest.mark.parametrize(("index", "error", "message"), [
    (np.full(96, 3), DamagedFileError, "must be below 3"),
    (np.full(96, -1), DamagedFileError, "must be below 3"),
    (np.minimum(np.arange(96) // 20, 2), UnsupportedTensorError, "must put 20 inputs into every"),
])  # fmt: skip
def test_wrong_group_indices_are_named(tmp_path, index, error, message):
    arrays, _ = layer(4, 32)
    arrays["model.q_proj.g_idx"] = index.astype(np.int32)
    tensor = imported(save(arrays, tmp_path))
    with pytest.raises(error, match=message):
        tensor.dequantize()
