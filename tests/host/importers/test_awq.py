from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng
from safetensors.numpy import save_file

from lutra.host.importers import DamagedFileError, ImportedTensor, load_model

#: Output of each nibble of a word, lowest first, as the layout is described.
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def packed(codes: np.ndarray) -> np.ndarray:
    """Codes ``[rows, N]`` as words ``[rows, N / 8]``."""
    result = np.zeros((len(codes), codes.shape[1] // 8), np.uint32)
    for nibble, output in enumerate(ORDER):
        result |= codes[:, output::8].astype(np.uint32) << np.uint32(4 * nibble)
    return result.view(np.int32)


def layer(n: int = 48, k: int = 64, group: int = 16, seed: int = 0):
    """Arrays of one layer, and its weights by the definition."""
    rng = default_rng(seed)
    codes, zeros = rng.integers(0, 16, (k, n)), rng.integers(0, 16, (k // group, n))
    scales = rng.uniform(0.001, 0.1, (k // group, n)).astype(np.float16)
    of_input = np.arange(k) // group
    weights = (codes - zeros[of_input]).astype(np.float32) * scales.astype(np.float32)[of_input]
    return {"x.qweight": packed(codes), "x.qzeros": packed(zeros), "x.scales": scales}, weights.T


@pytest.mark.parametrize("group", [16, 64])
def test_weights_are_those_of_the_definition(tmp_path, group):
    arrays, weights = layer(group=group)
    save_file(arrays, tmp_path / "a.safetensors")
    model = load_model(tmp_path)
    assert list(model) == ["x.weight"]
    tensor = model.tensor("x.weight")
    assert isinstance(tensor, ImportedTensor)
    assert (tensor.type, tensor.shape, tensor.group_size) == ("AWQ", (48, 64), group)
    assert np.array_equal(tensor.dequantize(), weights)
    assert np.array_equal(tensor.dequantize(slice(3, 42)), weights[3:42])
    assert model.encode("x.weight").max_error <= model.encode("x.weight").bound < 0.005


def test_contradictions_are_named(tmp_path):
    arrays, _ = layer()
    path = tmp_path / "a.safetensors"
    for name, array, message in (
        ("x.scales", np.zeros((4, 40), np.float16), r"must have shape \[any, 48\], not \[4, 40\]"),
        ("x.scales", np.zeros((4, 48), np.int16), "must be F32 or F16 or BF16, not I16"),
        ("x.qweight", np.zeros((63, 6), np.int32), "equal groups, not 4 of 63 inputs"),
        ("x.qzeros", np.zeros((3, 6), np.int32), r"must have shape \[4, 6\], not \[3, 6\]"),
    ):
        save_file(arrays | {name: array}, path)
        with pytest.raises(DamagedFileError, match=message):
            load_model(path)
