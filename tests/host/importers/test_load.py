from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from numpy.random import default_rng
from safetensors.numpy import save_file

from lutra.host import load_model, quantize_rtn
from lutra.host.importers import (
    DamagedFileError,
    ImportedTensor,
    MissingPackageError,
    UnknownTensorError,
    UnsupportedTensorError,
)
from lutra.host.llm import SHIPPED, load_checkpoint
from lutra.host.quantized_matrix import QuantizedMatrix

from .samples import write_gguf
from .test_gptq import layer


def test_shipped_model_is_what_the_checkpoint_has():
    model, checkpoint = load_model(SHIPPED), load_checkpoint()
    assert model.format == "GGUF"
    assert model.metadata["general.architecture"] == "bitnet"
    for name, matrix in checkpoint.matrices.items():
        found = model[name]
        assert isinstance(found, QuantizedMatrix)
        assert np.array_equal(found.integers(), matrix.codes)
        assert np.array_equal(found.dequantize(), matrix.codes * np.float32(matrix.scale))
        assert model.encode(name).max_error == 0
    for tensor in gguf.GGUFReader(SHIPPED).tensors:
        entry = model.tensor(tensor.name)
        want = gguf.quants.dequantize(np.array(tensor.data), tensor.tensor_type)
        got = entry.dequantize() if isinstance(entry, ImportedTensor) else entry.read()
        assert np.array_equal(got, want)


def test_float_matrices_through_a_quantiser(tmp_path: Path):
    rng = default_rng(1)
    weights, gains = rng.normal(0, 1, (6, 32)).astype(np.float32), np.ones(6, np.float32)
    path = write_gguf(tmp_path / "t.gguf", {"w": (weights, Kind.F32), "g": (gains, Kind.F32)})
    quantise = functools.partial(quantize_rtn, bits=4, group_size=16)
    model = load_model(path, quantise=quantise)
    assert isinstance(model["g"], np.ndarray)
    matrix, want = model["w"], quantise(weights)
    assert isinstance(matrix, QuantizedMatrix)
    assert np.array_equal(matrix.dequantize(), want.dequantize())
    with pytest.raises(UnsupportedTensorError, match="'w' must be quantised, not F32"):
        model.encode("w")


def test_names(tmp_path: Path):
    path = write_gguf(tmp_path / "t.gguf", {"w": (np.ones((2, 2), np.float32), Kind.F32)})
    model = load_model(path)
    assert list(model) == ["w"]
    assert "v" not in model
    with pytest.raises(UnknownTensorError, match="one of the model's 1 tensors, not 'v'"):
        model["v"]


def test_several_files(tmp_path: Path):
    arrays, weights = layer(4, 32)
    names = sorted(arrays)
    extra = np.ones(3, ml_dtypes.bfloat16)
    save_file({name: arrays[name] for name in names[:2]}, tmp_path / "a.safetensors")
    save_file({name: arrays[name] for name in names[2:]} | {"e": extra}, tmp_path / "b.safetensors")
    files = dict.fromkeys(names[:2], "a.safetensors") | dict.fromkeys(names[2:], "b.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    for path in (index, tmp_path):
        model = load_model(path)
        assert set(model) == {"model.q_proj.weight", "e"}
        assert np.array_equal(model.tensor("model.q_proj.weight").dequantize(), weights)
        assert model["e"].dtype == np.float32
    save_file(arrays, tmp_path / "a.safetensors")
    with pytest.raises(DamagedFileError, match="must be in one file only"):
        load_model(index)


@pytest.mark.parametrize(("text", "message"), [
    ("{", "must be JSON"),
    ("[" * 100_000, "must be JSON"),
    ("[]", "must hold an object, not list"),
    ('{"weight_map": {}}', "must have a 'weight_map'"),
    ('{"weight_map": {"w": "../w.safetensors"}}', "files beside it, not '../w.safetensors'"),
])  # fmt: skip
def test_damaged_index(tmp_path: Path, text: str, message: str):
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=message):
        load_model(path)


@pytest.mark.parametrize("data", [b"", b"abc", b"\xff" * 64, b"\x02" + bytes(7) + b"[]",
                                  (1 << 62).to_bytes(8, "little") + b"{}"])  # fmt: skip
def test_damaged_safetensors(tmp_path: Path, data: bytes):
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="not readable as safetensors"):
        load_model(path)


def test_lying_sizes_of_safetensors(tmp_path: Path):
    header = b'{"w":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}'
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    with pytest.raises(DamagedFileError, match="not readable as safetensors"):
        load_model(path)


def test_what_is_no_model(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.gguf")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(DamagedFileError, match=r"must hold a \.gguf, \.safetensors or \.onnx file"):
        load_model(tmp_path)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DamagedFileError, match=r"a\.txt must be a .gguf"):
        load_model(tmp_path / "a.txt")
    (tmp_path / "a.gguf").write_bytes(b"")
    with pytest.raises(DamagedFileError, match="must not be empty"):
        load_model(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes(b"x")
    with pytest.raises(DamagedFileError, match=r"one \*\.gguf, not 2"):
        load_model(tmp_path)


@pytest.mark.parametrize("package", ["onnx", "safetensors"])
def test_missing_extras_are_named(tmp_path: Path, monkeypatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / f"m.{package}"
    path.write_bytes(b"x" * 64)
    with pytest.raises(MissingPackageError, match=r"pip install lutra\[models\]"):
        load_model(path)
