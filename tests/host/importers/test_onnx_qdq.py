from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from lutra.host.importers import (
    DamagedFileError,
    ImportedTensor,
    UnsupportedTensorError,
    load_model,
)

from . import onnx_models as om

RANGES = {"INT8": (-128, 128), "UINT8": (0, 256), "INT4": (-8, 8), "UINT4": (0, 16)}
RANGES |= {"INT2": (-2, 2), "UINT2": (0, 4)}


def integers(rng: Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(*RANGES[kind], shape).astype(np.int8 if kind[0] == "I" else np.uint8)


def imported(made, tmp_path: Path, name: str = "w") -> ImportedTensor:
    tensor = load_model(om.save(made, tmp_path)).tensor(name)
    assert isinstance(tensor, ImportedTensor)
    return tensor


def dequantised(
    rng: Generator,
    kind: str,
    shape: tuple[int, int],
    scales: tuple[int, ...],
    *,
    user: str = "MatMul",
    half: bool = False,
    **attributes: int,
):
    """DequantizeLinear of a constant, taken by a product; the output is what was dequantised."""
    values = rng.uniform(0.01, 0.2, scales).astype(np.float16 if half else np.float32)
    constants = [
        om.constant("w", integers(rng, kind, shape), kind),
        om.constant("s", values),
        om.constant("z", integers(rng, kind, scales), kind),
    ]
    type_name = "FLOAT16" if half else "FLOAT"
    nodes = [om.node("DequantizeLinear", ["w", "s", "z"], "d", **attributes)]
    if user == "Transpose":
        nodes += [om.node("Transpose", ["d"], "t"), om.node("MatMul", ["x", "t"], "y")]
    elif user:
        extra = {"transB": 1} if user == "Gemm" else {}
        nodes.append(om.node(user, ["x", "d"], "y", **extra))
    # INT2 and UINT2 came with opset 25.
    opset = 25 if kind.endswith("2") else 21
    inputs = {"x": type_name} if user else {}
    return om.model(nodes, constants, inputs=inputs, output="d", output_type=type_name, opset=opset)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("scales", "attributes"), [
    ((), {}), ((1,), {}), ((10,), {"axis": 1}), ((3, 10), {"axis": 0, "block_size": 16}),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT4", "UINT4"])
def test_dequantize_linear(tmp_path: Path, kind: str, scales, attributes, half: bool):
    made = dequantised(default_rng(3), kind, (40, 10), scales, half=half, **attributes)
    tensor = imported(made, tmp_path)
    assert (tensor.shape, tensor.bits, tensor.type) == ((10, 40), int(kind[-1]), "QDQ")
    want = om.run(made, x=np.zeros((1, 40), np.float16 if half else np.float32))
    assert np.array_equal(tensor.dequantize(), want.astype(np.float32).T)
    assert np.array_equal(tensor.dequantize(slice(5, 8)), want.astype(np.float32).T[5:8])


@pytest.mark.parametrize("kind", ["INT2", "UINT2"])
def test_two_bits(tmp_path: Path, kind: str):
    made = dequantised(default_rng(3), kind, (40, 10), (10,), axis=1)
    # Not every release of the runtime has these types; the formula is the same.
    graph = {t.name: t for t in made.graph.initializer}
    from onnx import numpy_helper

    codes, scale, zero = (numpy_helper.to_array(graph[n]).astype(np.float32) for n in "wsz")
    assert np.array_equal(imported(made, tmp_path).dequantize(), ((codes - zero) * scale).T)


@pytest.mark.parametrize("user", ["Gemm", "Transpose", ""])
def test_outputs_first_where_the_product_says_so(tmp_path: Path, user: str):
    made = dequantised(default_rng(4), "INT4", (10, 40), (10,), user=user, axis=0)
    tensor = imported(made, tmp_path)
    assert tensor.shape == (10, 40)
    x = {"x": np.zeros((1, 40), np.float32)} if user else {}
    assert np.array_equal(tensor.dequantize(), om.run(made, **x))


@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT4"])
@pytest.mark.parametrize(("scales", "attributes"), [
    ((), {}), ((10,), {"axis": 1}), ((3, 10), {"axis": 0, "block_size": 16}),
])  # fmt: skip
def test_quantised_in_the_graph(tmp_path: Path, kind: str, scales, attributes):
    rng = default_rng(5)
    constants = [
        om.constant("w", rng.normal(0, 0.5, (40, 10)).astype(np.float32)),
        om.constant("s", rng.uniform(0.002, 0.05, scales).astype(np.float32)),
        om.constant("z", integers(rng, kind, scales), kind),
    ]
    nodes = [
        om.node("QuantizeLinear", ["w", "s", "z"], "q", **attributes),
        om.node("DequantizeLinear", ["q", "s", "z"], "d", **attributes),
        om.node("MatMul", ["x", "d"], "y"),
    ]
    made = om.model(nodes, constants, inputs={"x": "FLOAT"}, output="d")
    want = om.run(made, x=np.zeros((1, 40), np.float32))
    assert np.array_equal(imported(made, tmp_path).dequantize(), want.T)


def test_convolution_has_outputs_first(tmp_path: Path):
    rng = default_rng(6)
    constants = [
        om.constant("w", integers(rng, "INT8", (6, 3, 2, 2))),
        om.constant("s", rng.uniform(0.1, 1, 6).astype(np.float32)),
    ]
    nodes = [
        om.node("DequantizeLinear", ["w", "s"], "d", axis=0),
        om.node("Conv", ["x", "d"], "y"),
    ]
    made = om.model(nodes, constants, inputs={"x": "FLOAT"}, output="d")
    want = om.run(made, x=np.zeros((1, 3, 4, 4), np.float32))
    assert np.array_equal(imported(made, tmp_path).dequantize(), want.reshape(6, 12))


@pytest.mark.parametrize("kind", ["INT8", "UINT8"])
@pytest.mark.parametrize("zeros", [None, (), (10,)])
def test_matmul_integer(tmp_path: Path, kind: str, zeros):
    rng = default_rng(7)
    constants = [om.constant("w", integers(rng, kind, (40, 10)))]
    inputs = ["x", "w"]
    if zeros is not None:
        constants.append(om.constant("z", integers(rng, kind, zeros)))
        inputs += ["", "z"]
    nodes = [om.node("MatMulInteger", inputs, "y")]
    made = om.model(nodes, constants, inputs={"x": "UINT8"}, output_type="INT32")
    tensor = imported(made, tmp_path)
    want = om.run(made, x=np.eye(40, dtype=np.uint8)).T
    assert np.array_equal(tensor.dequantize(), want)
    # All integers: so are the matrix and its products.
    matrix = load_model(om.save(made, tmp_path))["w"]
    assert matrix.row_scales is None
    assert np.array_equal(matrix.integers(), want)


def test_scales_along_the_inputs_are_refused(tmp_path: Path):
    made = dequantised(default_rng(8), "INT8", (40, 10), (40,), axis=0)
    model = load_model(om.save(made, tmp_path))
    message = "'s' must have one value, one for each of 10"
    for read in (model.__getitem__, model.encode, lambda name: model.tensor(name).read()):
        with pytest.raises(UnsupportedTensorError, match=message):
            read("w")


def test_negative_blocks_are_named(tmp_path: Path):
    made = dequantised(default_rng(9), "INT8", (40, 10), (), block_size=-4)
    with pytest.raises(
        DamagedFileError, match="block_size of tensor 'w' must be 0 or more, not -4"
    ):
        load_model(om.save(made, tmp_path))
