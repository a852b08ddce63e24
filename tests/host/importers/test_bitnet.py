from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from numpy.random import default_rng
from safetensors.numpy import save_file

from lutra.host.importers import DamagedFileError, ImportedTensor, load_model


def packed(ternary: np.ndarray) -> np.ndarray:
    """Weights -1, 0, +1 as bytes ``[N / 4, K]``: each quarter of the outputs has two bits."""
    quarters = (ternary + 1).astype(np.uint8).reshape(4, -1, ternary.shape[1])
    return quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6


@pytest.mark.parametrize("linear", [None, "bitlinear", "autobitlinear"])
@pytest.mark.parametrize("kind", [np.float32, ml_dtypes.bfloat16])
def test_weights_are_those_of_the_definition(tmp_path, linear, kind):
    ternary = default_rng(1).integers(-1, 2, (20, 33))
    scale = np.array([37.3], kind)
    arrays = {
        "l.weight": packed(ternary),
        "l.weight_scale": scale,
        "l.bias": np.ones(20, np.float32),
    }
    save_file(arrays, tmp_path / "b.safetensors")
    if linear:
        config = {"quantization_config": {"quant_method": "bitnet", "linear_class": linear}}
        (tmp_path / "config.json").write_text(json.dumps(config))
    model = load_model(tmp_path / "b.safetensors")
    assert set(model) == {"l.weight", "l.bias"}
    tensor = model.tensor("l.weight")
    assert isinstance(tensor, ImportedTensor)
    factor = scale.astype(np.float32)
    want = ternary * factor if linear == "autobitlinear" else ternary / factor
    assert np.array_equal(tensor.dequantize(), want.astype(np.float32))
    # Rows of all four quarters.
    assert np.array_equal(tensor.dequantize(slice(3, 17)), want.astype(np.float32)[3:17])
    matrix = model["l.weight"]
    assert matrix.group_scales is None
    assert np.array_equal(matrix.dequantize(), want.astype(np.float32))


def test_contradictions_are_named(tmp_path):
    path = tmp_path / "b.safetensors"
    good = np.zeros((5, 8), np.uint8)
    for weight, scale, message in (
        (good, np.ones(2, np.float32), r"must have shape \[1\], not \[2\]"),
        (good, np.ones(1, np.int32), "must be F32 or F16 or BF16, not I32"),
        (good[None], np.ones(1, np.float32), r"must have shape \[any, any\]"),
    ):
        save_file({"weight": weight, "weight_scale": scale}, path)
        with pytest.raises(DamagedFileError, match=message):
            load_model(path)
    save_file({"weight": good, "weight_scale": np.zeros(1, np.float32)}, path)
    with pytest.raises(DamagedFileError, match="scales of tensor 'weight' must be finite"):
        load_model(path)["weight"]
