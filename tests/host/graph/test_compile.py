"""Compiled graphs: exact where the graph is, as near as the quantisation where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lutra.host import Accelerator
from lutra.host.errors import UnsupportedFormatError
from lutra.host.graph.compile import compile_onnx
from lutra.host.graph.compiled import DeviceRun
from lutra.host.graph.compiled_file import load_compiled, save_compiled
from lutra.host.graph.errors import CompiledModelError, GraphError, ModelInputError
from lutra.host.graph.onnx_session import open_session
from lutra.host.graph.reference import agreement
from lutra.host.graph.runner import ModelRunner

from .graphs import attention_graph, save_graph

node = helper.make_node
FLOAT = TensorProto.FLOAT


def run(path: Path, inputs: dict[str, np.ndarray], *, device: str = "golden", **options):
    compiled = compile_onnx(path, "tiny", **options)
    saved = path.with_suffix(".lutra")
    save_compiled(compiled, saved)
    with (
        Accelerator.open(device, config="tiny") as accelerator,
        ModelRunner(load_compiled(saved), accelerator) as runner,
    ):
        return runner.run(inputs), runner.counters


def reference(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return open_session(path.read_bytes()).run(None, inputs)


def test_eight_bits_are_near_and_three_projections_are_one_matrix(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "a.onnx")
    compiled = compile_onnx(path, "tiny", bits=8)
    device_runs = [step for step in compiled.steps if isinstance(step, DeviceRun)]
    assert [len(step.outputs) for step in device_runs] == [3, 1]
    assert len(compiled.image.matrices) == 2
    x = np.random.default_rng(1).standard_normal((2, 5, 64)).astype(np.float32)
    got, counters = run(path, {"x": x}, bits=8, rows=(10,))
    assert agreement(got["y"], reference(path, {"x": x})[0]).cosine > 0.999
    assert counters["cycles"] > 0


def test_the_simulated_hardware_gives_the_same_numbers(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "a.onnx", width=24, outputs=10)
    x = np.random.default_rng(2).standard_normal((1, 3, 24)).astype(np.float32)
    golden, _ = run(path, {"x": x}, bits=4, group_size=8)
    hardware, counters = run(path, {"x": x}, bits=4, group_size=8, device="sim")
    np.testing.assert_array_equal(hardware["y"], golden["y"])
    assert counters["array_busy"] > 0


def test_a_program_for_other_rows_is_built_when_needed(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "a.onnx", width=16, outputs=5)
    compiled = compile_onnx(path, "tiny", bits=8, rows=(2,))
    x = np.random.default_rng(3).standard_normal((3, 7, 16)).astype(np.float32)
    with Accelerator.open("golden", config="tiny") as device, ModelRunner(compiled, device) as r:
        whole = r.run({"x": x})["y"]
        single = np.concatenate([r.run({"x": x[i : i + 1]})["y"] for i in range(3)])
        assert r.run({"x": x[:0]})["y"].shape == (0, 5)
    np.testing.assert_allclose(single, whole, rtol=1e-5, atol=1e-6)


def test_matmul_integer_is_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    path = save_graph(
        tmp_path / "i.onnx",
        [node("MatMulInteger", ["x", "w", "z", "wz"], ["y"])],
        inputs={"x": (TensorProto.UINT8, ["m", 50])},
        outputs={"y": TensorProto.INT32},
        constants={
            "z": np.array(77, np.uint8),
            "w": rng.integers(-128, 128, (50, 9)).astype(np.int8),
            "wz": np.array(-3, np.int8),
        },
    )
    x = rng.integers(0, 256, (6, 50)).astype(np.uint8)
    got, _ = run(path, {"x": x})
    np.testing.assert_array_equal(got["y"], reference(path, {"x": x})[0])
    assert got["y"].dtype == np.int32


def test_qdq_activations_are_not_rounded_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = save_graph(
        tmp_path / "q.onnx",
        [
            node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            node("DequantizeLinear", ["wq", "ws"], ["w"], axis=1),
            node("MatMul", ["xd", "w"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["m", 40])},
        outputs={"y": FLOAT},
        constants={
            "s": np.array(0.03, np.float32),
            "z": np.array(120, np.uint8),
            "wq": rng.integers(-127, 128, (40, 11)).astype(np.int8),
            "ws": rng.uniform(0.01, 0.02, 11).astype(np.float32),
        },
    )
    x = rng.standard_normal((4, 40)).astype(np.float32)
    got, _ = run(path, {"x": x})
    np.testing.assert_allclose(got["y"], reference(path, {"x": x})[0], rtol=2e-6, atol=1e-6)


def test_a_graph_without_products_is_refused(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "r.onnx",
        [node("Relu", ["x"], ["y"])],
        inputs={"x": (FLOAT, [2])},
        outputs={"y": FLOAT},
        constants={},
    )
    with pytest.raises(GraphError, match="no matrix product"):
        compile_onnx(path, "tiny")


def test_unknown_activations_are_refused(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "a.onnx")
    with pytest.raises(UnsupportedFormatError, match="int8"):
        compile_onnx(path, "tiny", activations="int7")
    with pytest.raises(UnsupportedFormatError, match="exponent"):
        run(path, {"x": np.ones((1, 1, 64), np.float32)}, activations="bf16")


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({}, "inputs must be"),
        ({"z": np.ones(1)}, "inputs must be"),
        ({"x": np.ones((1, 1, 64))}, "must be float32"),
        ({"x": np.ones((1, 64), np.float32)}, "must have shape"),
        ({"x": np.ones((1, 1, 65), np.float32)}, "must have shape"),
    ],
)
def test_wrong_inputs_are_named(tmp_path: Path, inputs: dict, match: str) -> None:
    with pytest.raises(ModelInputError, match=match):
        run(attention_graph(tmp_path / "a.onnx"), inputs)


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "a.onnx")
    files = tmp_path / "1.lutra", tmp_path / "2.lutra"
    for file in files:
        save_compiled(compile_onnx(path, "tiny"), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.lutra"
    save_compiled(compile_onnx(attention_graph(tmp_path / "a.onnx", width=16), "tiny"), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(6)
    damaged = [whole[:cut] for cut in (0, 10, len(whole) // 2, len(whole) - 3)]
    for _ in range(60):
        at = int(rng.integers(len(whole)))
        damaged.append(
            whole[:at] + bytes([whole[at] ^ int(rng.integers(1, 256))]) + whole[at + 1 :]
        )
    refused = 0
    for blob in damaged:
        path.write_bytes(blob)
        try:
            load_compiled(path)  # a changed date or attribute of the archive does no harm
        except CompiledModelError:
            refused += 1
    assert refused > len(damaged) // 2
