from __future__ import annotations

from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from numpy.random import default_rng

from lutra.host.importers import ImportedTensor, UnsupportedTensorError, load_model

from .samples import BLOCK_TYPES, SCALES, gguf_blocks, write_gguf


@pytest.fixture(params=BLOCK_TYPES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def imported(tmp_path: Path, raw: np.ndarray, kind: Kind) -> ImportedTensor:
    tensor = load_model(write_gguf(tmp_path / "t.gguf", {"w": (raw, kind)})).tensor("w")
    assert isinstance(tensor, ImportedTensor)
    return tensor


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the last bit; what is not a number may be any such."""
    numbers = ~np.isnan(a)
    return (
        a.dtype == b.dtype == np.float32
        and np.array_equal(numbers, ~np.isnan(b))
        and np.array_equal(a[numbers].view(np.uint32), b[numbers].view(np.uint32))
    )


def test_files_of_the_package(tmp_path: Path, kind: Kind):
    raw = gguf_blocks(default_rng(1), kind, 19, 768)
    tensor = imported(tmp_path, raw, kind)
    want = gguf.quants.dequantize(raw, kind)
    assert tensor.shape == want.shape == (19, 768)
    assert (tensor.type, tensor.nbytes) == (kind.name, raw.nbytes)
    assert same_bits(tensor.dequantize(), want)
    assert same_bits(tensor.dequantize(slice(4, 11)), want[4:11])


def test_any_bytes(tmp_path: Path, kind: Kind):
    """Every pattern of scales: of both signs, subnormal, infinite, not numbers."""
    inputs, size = gguf.GGML_QUANT_SIZES[kind]
    raw = default_rng(2).integers(0, 256, (64, 512 // inputs * size), dtype=np.uint8)
    with np.errstate(all="ignore"):
        want = gguf.quants.dequantize(raw, kind)
    assert same_bits(imported(tmp_path, raw, kind).dequantize(), want)


def test_experts_are_rows_of_one_matrix(tmp_path: Path):
    raw = gguf_blocks(default_rng(3), Kind.Q4_0, 12, 64).reshape(3, 4, 36)
    tensor = imported(tmp_path, raw, Kind.Q4_0)
    assert tensor.shape == (12, 64)
    want = gguf.quants.dequantize(raw, Kind.Q4_0)
    assert same_bits(tensor.dequantize(), want.reshape(12, 64))


def test_plain_types(tmp_path: Path):
    values = default_rng(4).normal(0, 1, (5, 32)).astype(np.float32)
    halves = gguf.quants.quantize(values, Kind.BF16)
    path = write_gguf(tmp_path / "t.gguf", {
        "f32": (values, Kind.F32),
        "f16": (values.astype(np.float16), Kind.F16),
        "bf16": (halves, Kind.BF16),
        "i32": (np.arange(6, dtype=np.int32), Kind.I32),
    })  # fmt: skip
    model = load_model(path)
    assert np.array_equal(model["f32"], values)
    assert model["f16"].dtype == np.float16
    assert np.array_equal(model["f16"], values.astype(np.float16))
    assert np.array_equal(model["bf16"], values.astype(ml_dtypes.bfloat16).astype(np.float32))
    assert np.array_equal(model["i32"], np.arange(6))
    # Views of the file, which nobody can write to.
    assert not model["f32"].flags.writeable


def test_other_types_are_listed_but_not_read(tmp_path: Path):
    raw = np.zeros((2, 66), np.uint8)
    good = np.ones((2, 2), np.float32)
    path = write_gguf(tmp_path / "t.gguf", {"w": (raw, Kind.IQ2_XXS), "g": (good, Kind.F32)})
    model = load_model(path)
    assert model.tensor("w").type == "IQ2_XXS"
    assert np.array_equal(model["g"], good)
    with pytest.raises(UnsupportedTensorError, match=r"'w' must be one of F32, .*, not IQ2_XXS"):
        model["w"]


def test_scales_of_the_samples_are_where_the_package_has_them(kind: Kind):
    if kind in SCALES:
        raw = gguf_blocks(default_rng(5), kind, 8, 256)
        assert np.abs(gguf.quants.dequantize(raw, kind)).max() < 64 * 64 * 0.0015
