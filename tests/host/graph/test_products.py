"""Which nodes are recognised as products, and what of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lutra.host.graph.products import find_products

from .graphs import attention_graph, parsed, save_graph

node = helper.make_node
FLOAT = TensorProto.FLOAT


def only_product(path: Path):
    found = find_products(parsed(path)[1])
    assert len(found) == 1
    return next(iter(found.values()))


def test_products_of_attention_are_the_static_ones(tmp_path: Path) -> None:
    found = find_products(parsed(attention_graph(tmp_path / "a.onnx"))[1])
    assert [p.weight for p in found.values()] == ["wq", "wk", "wv", "w1"]
    assert [p.transposed for p in found.values()] == [False, False, False, True]
    assert found[9].bias == "b1"


def test_integers_in_front_of_dequantize_linear_are_taken(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "q.onnx",
        [
            node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            node("DequantizeLinear", ["wq", "ws"], ["w"], axis=1),
            node("MatMul", ["xd", "w"], ["y"]),
        ],
        inputs={"x": (FLOAT, [2, 8])},
        outputs={"y": FLOAT},
        constants={
            "s": np.array(0.5, np.float32),
            "z": np.array(3, np.uint8),
            "wq": np.ones((8, 4), np.int8),
            "ws": np.ones(4, np.float32),
        },
    )
    product = only_product(path)
    assert product.integer
    assert (product.source, product.scale, product.zero_point) == ("xq", "s", "z")
    assert not product.exact


def test_matmul_integer_is_exact(tmp_path: Path) -> None:
    path = save_graph(
        tmp_path / "i.onnx",
        [
            node("DynamicQuantizeLinear", ["x"], ["xq", "s", "z"]),
            node("MatMulInteger", ["xq", "w", "z", "wz"], ["y"]),
        ],
        inputs={"x": (FLOAT, [2, 8])},
        outputs={"y": TensorProto.INT32},
        constants={"w": np.ones((8, 4), np.int8), "wz": np.array(0, np.int8)},
    )
    product = only_product(path)
    assert product.exact
    assert product.integer
    assert product.zero_point == "z"


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("MatMul", ["w", "x"], ["y"])], {"w": np.ones((4, 2), np.float32)}),
        ([node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((3, 8, 4), np.float32)}),
        (
            [node("Gemm", ["x", "w"], ["y"], alpha=2.0)],
            {"w": np.ones((8, 4), np.float32)},
        ),
        ([node("Gemm", ["x", "w"], ["y"], transA=1)], {"w": np.ones((2, 4), np.float32)}),
    ],
    ids=["static left operand", "batch of matrices", "alpha", "transposed activations"],
)
def test_other_products_stay_on_the_host(
    tmp_path: Path, nodes: list, constants: dict[str, np.ndarray]
) -> None:
    path = save_graph(
        tmp_path / "o.onnx",
        nodes,
        inputs={"x": (FLOAT, [2, 8])},
        outputs={"y": FLOAT},
        constants=constants,
    )
    assert not find_products(parsed(path)[1])
