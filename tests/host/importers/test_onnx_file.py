from __future__ import annotations

import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.random import default_rng
from onnx import TensorProto, helper

from lutra.host.importers import DamagedFileError, UnsupportedTensorError, load_model

from . import onnx_models as om
from .test_onnx_nbits import nbits_model


def test_plain_constants_of_every_type(tmp_path: Path):
    rng = default_rng(1)
    arrays = {
        np.dtype(kind).name: rng.integers(0, 2, (3, 4)).astype(kind)
        for kind in ("f4", "f2", "f8", "u1", "i1", "u2", "i2", "i4", "i8", "u4", "u8", "?")
    }
    made = om.model([om.node("Relu", "x", "y")], [om.constant(n, a) for n, a in arrays.items()],
                    inputs={"x": "FLOAT"})  # fmt: skip
    model = load_model(om.save(made, tmp_path))
    assert dict(model).keys() == arrays.keys()
    for name, array in arrays.items():
        assert model[name].dtype == array.dtype
        assert np.array_equal(model[name], array)


@pytest.mark.parametrize(("kind", "values"), [
    (TensorProto.FLOAT, np.float32([0.5, -2, 3])),
    (TensorProto.DOUBLE, np.float64([0.1, 7])),
    (TensorProto.INT64, np.int64([-(2**60), 5])),
    (TensorProto.UINT64, np.uint64([2**63, 5])),
    (TensorProto.INT8, np.int8([-128, 127, 0])),
    (TensorProto.BOOL, np.array([True, False])),
    (TensorProto.FLOAT16, np.float16([0.1, -65504])),
    (TensorProto.BFLOAT16, np.array([0.1, -3e38], ml_dtypes.bfloat16)),
    (TensorProto.INT4, np.array([-8, 7, 3], np.int8)),
    (TensorProto.UINT4, np.array([15, 0, 9, 4], np.uint8)),
])  # fmt: skip
def test_numbers_in_fields_of_their_type(tmp_path: Path, kind: int, values: np.ndarray):
    tensor = helper.make_tensor("c", kind, values.shape, values)
    assert not tensor.raw_data
    made = om.model([om.node("Relu", "x", "y")], [tensor], inputs={"x": "FLOAT"})
    found = load_model(om.save(made, tmp_path))["c"]
    assert np.array_equal(found, values.astype(found.dtype))


def test_constant_nodes_and_transposed_products(tmp_path: Path):
    weights = default_rng(2).normal(0, 1, (4, 6)).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["w"], value=om.constant("", weights)),
        om.node("MatMul", ["x", "w"], "m"),
        om.node("MatMul", ["x", "both"], "n"),
        om.node("Add", ["n", "both"], "y"),
    ]
    made = om.model(nodes, [om.constant("both", weights)], inputs={"x": "FLOAT"})
    model = load_model(om.save(made, tmp_path))
    assert np.array_equal(model["w"], weights.T)
    # Used in another way as well: as the file has it.
    assert np.array_equal(model["both"], weights)


def test_external_data_is_mapped(tmp_path: Path):
    made = nbits_model(default_rng(3), n=256, k=1024, block=32)
    inside = load_model(om.save(made, tmp_path, "inside.onnx")).tensor("B").dequantize()
    path = om.save(made, tmp_path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert path.stat().st_size < 2000
    model = load_model(path)
    assert np.array_equal(model.tensor("B").dequantize(), inside)
    (tmp_path / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match=r"truncated in tensor '(scales|zeros)'"):
        load_model(path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(DamagedFileError, match=r"data in 'w\.bin', which must be a file"):
        load_model(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "", "a\0b"])
def test_external_data_stays_in_its_folder(tmp_path: Path, location: str):
    tensor = helper.make_tensor("c", TensorProto.UINT8, [1], b"x", raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    made = om.model([om.node("Relu", "x", "y")], [tensor], inputs={"x": "FLOAT"})
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "m").mkdir()
    with pytest.raises(DamagedFileError, match="'c' must have its data"):
        load_model(om.save(made, tmp_path / "m"))


def test_listing_does_not_read_the_weights(tmp_path: Path):
    weights = np.zeros((1 << 12, 1 << 12), np.float32)  # 64 MB
    nodes = [om.node("MatMul", ["x", "w"], "y")]
    path = om.save(om.model(nodes, [om.constant("w", weights)], inputs={"x": "FLOAT"}), tmp_path)
    tracemalloc.start()
    try:
        model = load_model(path)
        array = model["w"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert array.shape == (1 << 12, 1 << 12)
    assert peak < 2e6


@pytest.mark.parametrize(("change", "message"), [
    ({"bits": 5}, "bits of tensor 'B' must be 2, 4 or 8, not 5"),
    ({"block_size": 24}, "block_size of tensor 'B' must be a power of two from 16 on, not 24"),
    ({"K": -1}, "N and K of tensor 'B' must be positive, not 12, -1"),
    ({"K": 1 << 40}, "'B' must be .* elements of UINT8, not"),
    ({"N": 13}, "tensor 'B' must be 624 elements of UINT8, not 576 of UINT8"),
])  # fmt: skip
def test_attributes_against_the_data(tmp_path: Path, change: dict[str, int], message: str):
    made = nbits_model(default_rng(4), **change) if "block_size" not in change else None
    if made is None:
        made = nbits_model(default_rng(4))
        next(a for a in made.graph.node[0].attribute if a.name == "block_size").i = 24
    with pytest.raises((DamagedFileError, UnsupportedTensorError), match=message):
        load_model(om.save(made, tmp_path))["B"]


def test_every_truncation_is_named(tmp_path: Path):
    data = nbits_model(default_rng(5), n=2, k=32).SerializeToString()
    path = tmp_path / "t.onnx"
    named = 0
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        try:
            load_model(path)
        except DamagedFileError:
            named += 1
    # What is cut between two fields of the model itself is a smaller model.
    assert named > 0.9 * len(data)


def test_contradictions_are_named(tmp_path: Path):
    def saved(*constants: TensorProto) -> Path:
        nodes = [om.node("Relu", "x", "y")]
        return om.save(om.model(nodes, constants, inputs={"x": "FLOAT"}), tmp_path)

    good = om.constant("c", np.ones((2, 3), np.float32))
    with pytest.raises(DamagedFileError, match="'c' must appear once"):
        load_model(saved(good, good))
    lying = onnx.TensorProto()
    lying.CopyFrom(good)
    lying.dims[0] = 1 << 40
    with pytest.raises(DamagedFileError, match="must have 13194139533312 bytes of data, not 24"):
        load_model(saved(lying))
    lying.dims[0] = -2
    with pytest.raises(DamagedFileError, match=r"must have a possible shape, not \[-2, 3\]"):
        load_model(saved(lying))
    few = helper.make_tensor("c", TensorProto.FLOAT, [3], [1, 2, 3])
    few.dims[0] = 1000
    with pytest.raises(DamagedFileError, match="'c' must have 1000 elements, not 3"):
        load_model(saved(few))
    text = helper.make_tensor("c", TensorProto.STRING, [1], [b"a"])
    with pytest.raises(UnsupportedTensorError, match="type of tensor 'c' must be one of FLOAT"):
        load_model(saved(text))["c"]
    (tmp_path / "m.onnx").write_bytes(b"\x0b not protobuf at all")
    with pytest.raises(DamagedFileError, match="not readable as ONNX"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("kind", ["DequantizeLinear", "Quant", "MatMulNBits"])
@pytest.mark.parametrize("value", [1.5, "text", [1, 2]])
def test_attributes_of_another_type(tmp_path: Path, kind: str, value: object):
    constants = [om.constant("w", np.ones((16, 8), np.uint8))]
    constants += [om.constant(name, np.ones((), np.float32)) for name in "sb"]
    constants += [om.constant("z", np.zeros((), np.uint8 if kind[0] == "D" else np.float32))]
    wrong = {"DequantizeLinear": "axis", "Quant": "signed", "MatMulNBits": "bits"}[kind]
    inputs = ["x", "w", "s"] if kind == "MatMulNBits" else ["w", "s", "z", "b"]
    nodes = [om.node(kind, inputs[: 3 if kind[0] == "D" else 4], "y", **{wrong: value})]
    with pytest.raises(DamagedFileError, match=f"'{wrong}' must be an integer, not"):
        load_model(om.save(om.model(nodes, constants, inputs={"x": "FLOAT"}), tmp_path))
