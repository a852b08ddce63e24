"""Graphs as exporters and people make them: other types, shapes, opsets, odd uses of tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.random import default_rng
from onnx import TensorProto, helper, numpy_helper

from lutra.host import Accelerator
from lutra.host.errors import UnsupportedFormatError
from lutra.host.graph.compile import compile_onnx
from lutra.host.graph.compiled_file import load_compiled, save_compiled
from lutra.host.graph.errors import GraphError, ModelInputError
from lutra.host.graph.inputs import random_inputs, write_outputs
from lutra.host.graph.reference import compare
from lutra.host.graph.runner import ModelRunner

from .graphs import save_graph

node = helper.make_node
FLOAT, HALF, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
RNG = default_rng(7)
K, N = 20, 12


def weights(*shape: int, kind: type = np.float32) -> np.ndarray:
    return (RNG.standard_normal(shape) / np.sqrt(shape[0])).astype(kind)


def agrees(path: Path, inputs: dict[str, np.ndarray], **options: Any) -> dict[str, np.ndarray]:
    """Outputs of the compiled file, which are near onnxruntime's and of their types."""
    options = {"bits": 8} | options
    saved = path.with_suffix(".lutra")
    save_compiled(compile_onnx(path, "tiny", **options), saved)
    compiled = load_compiled(saved)
    with Accelerator.open("golden", config="tiny") as device, ModelRunner(compiled, device) as r:
        found = r.run(inputs)
        if all(array.size for array in found.values()):
            assert r.counters["cycles"] > 0
    for name, near in compare(path, inputs, found).items():
        assert near.cosine > 0.995 or not found[name].size, name
    for tensor in compiled.outputs:
        assert found[tensor.name].dtype.name == tensor.dtype
    return found


def x_of(*shape: int, kind: type = np.float32) -> dict[str, np.ndarray]:
    return {"x": default_rng(8).standard_normal(shape).astype(kind)}


@pytest.mark.parametrize("opset", [9, 11, 13, 15, 18, 21, 23])
def test_opsets(tmp_path: Path, opset: int) -> None:
    path = save_graph(
        tmp_path / "o.onnx",
        [
            node("Flatten", ["x"], ["f"]),
            node("Gemm", ["f", "w", "b"], ["h"], transB=1),
            node("Relu", ["h"], ["r"]),
            node("MatMul", ["r", "v"], ["m"]),
            node("Softmax", ["m"], ["y"], axis=1),
            node("ArgMax", ["y"], ["label"], axis=1, keepdims=0),
        ],
        inputs={"x": (FLOAT, ["n", 4, 5])},
        outputs={"y": FLOAT, "label": TensorProto.INT64},
        constants={"w": weights(N, K), "b": weights(N), "v": weights(N, 3)},
        opset=opset,
    )
    found = agrees(path, x_of(6, 4, 5))
    assert found["label"].shape == (6,)


@pytest.mark.parametrize(("kind", "number"), [(np.float16, HALF), (np.float64, DOUBLE)])
def test_other_precisions(tmp_path: Path, kind: type, number: int) -> None:
    path = save_graph(
        tmp_path / "p.onnx",
        [
            node("Gemm", ["x", "w", "b"], ["h"]),
            node("Relu", ["h"], ["r"]),
            node("MatMul", ["r", "v"], ["y"]),
        ],
        inputs={"x": (number, ["n", K])},
        outputs={"y": number},
        constants={
            "w": weights(K, N, kind=kind), "b": weights(N, kind=kind), "v": weights(N, 5, kind=kind)
        },
    )  # fmt: skip
    agrees(path, x_of(3, K, kind=kind))


@pytest.mark.parametrize("shape", [(K,), (1, K), (2, 1, 3, K), (0, K), (2, 0, K)])
def test_ranks_and_empty_batches(tmp_path: Path, shape: tuple[int, ...]) -> None:
    free = [f"n{i}" for i in range(len(shape) - 1)]
    path = save_graph(
        tmp_path / "r.onnx",
        [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])],
        inputs={"x": (FLOAT, [*free, K])},
        outputs={"y": FLOAT},
        constants={"w": weights(K, N)},
    )
    assert agrees(path, x_of(*shape))["y"].shape == (*shape[:-1], N)


def test_external_data(tmp_path: Path) -> None:
    made = save_graph(
        tmp_path / "e.onnx",
        [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])],
        inputs={"x": (FLOAT, ["n", 64])},
        outputs={"y": FLOAT},
        constants={"w": weights(64, 64)},
    )
    onnx.save(onnx.load(made), made, save_as_external_data=True, location="e.bin", size_threshold=0)
    assert (tmp_path / "e.bin").stat().st_size >= 64 * 64 * 4
    agrees(made, x_of(3, 64))


def test_initializers_that_are_inputs_too(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "i.onnx",
        [node("Gemm", ["x", "w", "b"], ["y"])],
        inputs={"x": (FLOAT, ["n", K]), "w": (FLOAT, [K, N]), "b": (FLOAT, [N])},
        outputs={"y": FLOAT},
        constants={"w": weights(K, N), "b": weights(N)},
        opset=9,
    )
    agrees(path, x_of(2, K))


def test_constants_and_inputs_as_outputs(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "c.onnx",
        [node("MatMul", ["x", "w"], ["y"]), node("Identity", ["b"], ["z"])],
        inputs={"x": (FLOAT, ["n", K])},
        outputs={"y": FLOAT, "z": FLOAT, "b": FLOAT, "x": FLOAT},
        constants={"w": weights(K, N), "b": weights(3)},
    )
    found = agrees(path, x_of(2, K))
    assert np.array_equal(found["z"], found["b"])


def test_shared_weights_in_both_orders(tmp_path: Path) -> None:
    """A square matrix, so that nothing but the numbers would tell."""
    path = save_graph(
        tmp_path / "s.onnx",
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Gemm", ["a", "w", ""], ["b"], transB=1),
            node("MatMul", ["b", "w"], ["c"]),
            node("Transpose", ["w"], ["wt"]),
            node("MatMul", ["c", "wt"], ["d"]),
            node("Transpose", ["w"], ["same"], perm=[0, 1]),
            node("MatMul", ["d", "same"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["n", K])},
        outputs={"y": FLOAT},
        constants={"w": weights(K, K)},
    )
    agrees(path, x_of(3, K))


@pytest.mark.parametrize("turned", [False, True])
def test_quantised_weights_that_others_take_transposed(tmp_path: Path, turned: bool) -> None:
    """They lie one way: products that want the other stay in onnxruntime, and a note says so."""
    second = [node("Transpose", ["d"], ["t"]), node("MatMul", ["h", "t"], ["s"])]
    if not turned:
        second = [node("MatMul", ["h", "d"], ["s"])]
    path = save_graph(
        tmp_path / "t.onnx",
        [
            node("DequantizeLinear", ["w", "s8"], ["d"], axis=1),
            node("MatMul", ["x", "d"], ["h"]),
            *second,
            node("MatMul", ["s", "v"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["n", K])},
        outputs={"y": FLOAT},
        constants={
            "w": RNG.integers(-127, 128, (K, K)).astype(np.int8),
            "s8": np.array(0.01, np.float32),
            "v": weights(K, 5),
        },
    )
    agrees(path, x_of(3, K))
    notes = compile_onnx(path, "tiny", bits=8).notes.values()
    assert any("left to onnxruntime" in note for note in notes) == turned


@pytest.mark.parametrize(
    ("make", "constants"),
    [
        # The weights on the left, integers, batches of matrices, empty ones, 16-bit QDQ.
        (lambda: [node("MatMul", ["l", "h"], ["z"])], {"l": weights(4, 3)}),
        (lambda: [node("Cast", ["h"], ["i"], to=7), node("MatMul", ["i", "l"], ["j"]),
                  node("Cast", ["j"], ["z"], to=1)], {"l": np.ones((N, 2), np.int64)}),
        (lambda: [node("MatMul", ["h", "l"], ["z"])], {"l": weights(2, N, 3)}),
        (lambda: [node("MatMul", ["h", "l"], ["z"])], {"l": np.zeros((N, 0), np.float32)}),
        (lambda: [node("DequantizeLinear", ["l", "s"], ["d"]), node("MatMul", ["h", "d"], ["z"])],
         {"l": RNG.integers(-999, 999, (N, 4)).astype(np.int16), "s": np.array(0.01, np.float32)}),
        (lambda: [node("DequantizeLinear", ["l", "s"], ["d"], axis=0),
                  node("MatMul", ["h", "d"], ["z"])],
         {"l": RNG.integers(-9, 9, (N, 4)).astype(np.int8), "s": weights(N)}),
    ],
    ids=["weights left", "integers", "batch", "empty", "16 bits", "scales along inputs"],
)  # fmt: skip
def test_what_the_device_has_not_stays_on_the_host(
    tmp_path: Path, make: Callable[[], list], constants: dict[str, np.ndarray]
) -> None:
    path = save_graph(
        tmp_path / "h.onnx",
        [node("MatMul", ["x", "w"], ["h"]), *make()],
        inputs={"x": (FLOAT, [3, K])},
        outputs={"h": FLOAT, "z": FLOAT},
        constants={"w": weights(K, N)} | constants,
        opset=21,
    )
    agrees(path, x_of(3, K))


def test_types_that_only_onnxruntime_knows(tmp_path: Path) -> None:
    """Shape inference stops at its own operators; products and steps behind them need types."""
    codes = RNG.integers(0, 256, (N, 1, 16)).astype(np.uint8)
    path = save_graph(
        tmp_path / "m.onnx",
        [
            node("MatMulNBits", ["x", "w", "s"], ["a"], domain="com.microsoft",
                 N=N, K=K, bits=4, block_size=32),
            node("FastGelu", ["a"], ["g"], domain="com.microsoft"),
            node("MatMul", ["g", "v"], ["b"]),
            node("Add", ["g", "b"], ["c"]),
            node("MatMul", ["c", "v"], ["d"]),
            node("Add", ["c", "d"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["n", K])},
        outputs={"y": FLOAT},
        constants={"w": codes, "s": np.full((N, 1), 0.05, np.float32), "v": weights(N, N)},
    )  # fmt: skip
    agrees(path, x_of(4, K))


def test_weights_rounded_by_a_pair_of_operators(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "p.onnx",
        [
            node("QuantizeLinear", ["w", "s", "z"], ["q"], axis=1),
            node("DequantizeLinear", ["q", "s", "z"], ["d"], axis=1),
            node("MatMul", ["x", "d"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["n", K])},
        outputs={"y": FLOAT},
        constants={
            "w": weights(K, N), "s": np.full(N, 0.2, np.float32), "z": np.zeros(N, np.int8)
        },
    )  # fmt: skip
    agrees(path, x_of(4, K))
    (note,) = compile_onnx(path, "tiny").notes.values()
    assert "QDQ as it is" in note


def test_convolutions_stay_on_the_host(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "v.onnx",
        [
            node("Conv", ["x", "k", "kb"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["r"]),
            node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", ["p"], ["f"]),
            node("Gemm", ["f", "w", "b"], ["y"], transB=1),
        ],
        inputs={"x": (FLOAT, ["n", 1, 8, 8])},
        outputs={"y": FLOAT},
        constants={
            "k": weights(4, 1, 3, 3), "kb": weights(4), "w": weights(10, 64), "b": weights(10)
        },
    )  # fmt: skip
    agrees(path, x_of(5, 1, 8, 8))
    assert list(compile_onnx(path, "tiny").notes) == ["w"]


def test_nothing_to_do_says_what_there_is(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "n.onnx",
        [node("Conv", ["x", "k"], ["c"]), node("MatMul", ["c", "c"], ["y"])],
        inputs={"x": (FLOAT, [1, 1, 8, 8])},
        outputs={"y": FLOAT},
        constants={"k": weights(1, 1, 3, 3)},
    )
    with pytest.raises(GraphError, match=r"no matrix product with static .* 1 Conv, 1 MatMul"):
        compile_onnx(path, "tiny")


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "n.onnx",
        [node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (FLOAT, [1, K])},
        outputs={"y": FLOAT},
        constants={"w": np.full((K, N), np.nan, np.float32)},
    )
    with pytest.raises(GraphError, match="weights 'w' must be finite"):
        compile_onnx(path, "tiny")


@pytest.mark.parametrize("format", ["bf16", "int16", "bipolar8", "e4m3"])
def test_activations_are_refused_when_compiling(tmp_path: Path, format: str) -> None:
    path = save_graph(
        tmp_path / "f.onnx",
        [node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (FLOAT, [2, K])},
        outputs={"y": FLOAT},
        constants={"w": weights(K, N)},
    )
    if format == "bipolar8":
        agrees(path, x_of(2, K), activations=format)
        return
    with pytest.raises(UnsupportedFormatError, match=f"{format} activations"):
        compile_onnx(path, "tiny", activations=format)


def test_texts_in_and_out(tmp_path: Path) -> None:
    classes = np.array([f"class {i}" for i in range(N)], object)
    path = save_graph(
        tmp_path / "t.onnx",
        [
            node("MatMul", ["x", "w"], ["file"]),
            node("ArgMax", ["file"], ["i"], axis=1, keepdims=0),
            node("Gather", ["classes", "i"], ["label"]),
            node("Identity", ["note"], ["said"]),
        ],
        inputs={"x": (FLOAT, ["n", K]), "note": (TensorProto.STRING, [1])},
        outputs={"label": TensorProto.STRING, "file": FLOAT, "said": TensorProto.STRING},
        constants={"w": weights(K, N), "classes": classes},
    )
    found = agrees(path, x_of(4, K) | {"note": np.array(["hello"])})
    with pytest.raises(ModelInputError, match="input 'note' must be given"):
        random_inputs(load_compiled(path.with_suffix(".lutra")), 1, 0)
    write_outputs(tmp_path / "y.npz", found)
    with np.load(tmp_path / "y.npz") as read:
        assert read["label"].tolist() == found["label"].tolist()
        assert np.array_equal(read["file"], found["file"])


def test_maps_of_probabilities_are_matrices(tmp_path: Path) -> None:
    """As scikit-learn's exporter writes them."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Softmax", ["h"], ["p"]),
        node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", classlabels_int64s=list(range(N))),
    ]
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
    )
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", FLOAT, ["n", K])],
        [helper.make_value_info("y", maps)],
        [numpy_helper.from_array(weights(K, N), "w")],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), tmp_path / "z.onnx")
    assert agrees(tmp_path / "z.onnx", x_of(4, K))["y"].shape == (4, N)
