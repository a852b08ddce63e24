"""Steps of a partitioned graph: few, in order, and complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lutra.host.graph.errors import GraphError
from lutra.host.graph.partition import DeviceStep, HostStep, partition
from lutra.host.graph.products import find_products
from lutra.host.graph.read_model import read_onnx

from .graphs import attention_graph, parsed, save_graph

node = helper.make_node


def steps_of(path: Path) -> list[HostStep | DeviceStep]:
    model, tensors = parsed(path)
    return partition(model, tensors, find_products(tensors))


def test_attention_takes_two_products_steps_and_two_host_parts(tmp_path: Path) -> None:
    steps = steps_of(attention_graph(tmp_path / "a.onnx"))
    assert [type(step) for step in steps] == [DeviceStep, HostStep, DeviceStep, HostStep]
    first, host, second, last = steps
    assert isinstance(first, DeviceStep)
    assert [p.output for p in first.products] == ["q", "k", "v"]
    assert isinstance(host, HostStep)
    assert sorted(host.inputs) == ["k", "q", "v", "x"]
    assert host.outputs == ["rows"]
    assert isinstance(second, DeviceStep)
    assert isinstance(last, HostStep)
    assert (last.inputs, last.outputs) == (["hidden"], ["y"])


def test_host_parts_are_valid_models_without_the_weights(tmp_path: Path) -> None:
    for step in steps_of(attention_graph(tmp_path / "a.onnx")):
        if isinstance(step, HostStep):
            onnx.checker.check_model(step.model)
            assert not {t.name for t in step.model.graph.initializer} & {"wq", "wk", "wv", "w1"}


def test_weights_behind_dequantize_linear_leave_no_part_behind(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "d.onnx",
        [
            node("DequantizeLinear", ["wq", "ws"], ["w"], axis=1),
            node("MatMul", ["x", "w"], ["y"]),
        ],
        inputs={"x": (TensorProto.FLOAT, [2, 8])},
        outputs={"y": TensorProto.FLOAT},
        constants={"wq": np.ones((8, 4), np.int8), "ws": np.ones(4, np.float32)},
    )
    assert [type(step) for step in steps_of(path)] == [DeviceStep]


def test_a_tensor_from_nowhere_is_named(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "n.onnx",
        [node("MatMul", ["ghost", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [2, 8])},
        outputs={"y": TensorProto.FLOAT},
        constants={"w": np.ones((8, 4), np.float32)},
    )
    with pytest.raises(GraphError, match="ghost"):
        steps_of(path)


def test_sub_graphs_get_what_they_take_from_outside(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [node("Relu", ["h"], ["t"])], "then", [], [helper.make_tensor_value_info("t", 1, None)]
    )
    other = helper.make_graph(
        [node("Neg", ["h"], ["e"])], "else", [], [helper.make_tensor_value_info("e", 1, None)]
    )
    path = save_graph(
        tmp_path / "if.onnx",
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("If", ["flag"], ["y"], then_branch=branch, else_branch=other),
        ],
        inputs={"x": (TensorProto.FLOAT, [2, 8]), "flag": (TensorProto.BOOL, [])},
        outputs={"y": TensorProto.FLOAT},
        constants={"w": np.ones((8, 4), np.float32)},
    )
    steps = steps_of(path)
    assert [type(step) for step in steps] == [DeviceStep, HostStep]
    assert isinstance(steps[1], HostStep)
    assert sorted(steps[1].inputs) == ["flag", "h"]


@pytest.mark.parametrize("blob", [b"", b"not a model", b"\x08\x07" * 50])
def test_files_that_are_no_model(tmp_path: Path, blob: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(blob)
    with pytest.raises(GraphError, match="no ONNX model"):
        read_onnx(path)
