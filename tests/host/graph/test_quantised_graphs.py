"""Graphs whose weights come quantised in the ways of ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lutra.host.graph.reference import agreement

from .graphs import save_graph
from .test_compile import FLOAT, node, reference, run


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_matmul_nbits(tmp_path: Path, bits: int) -> None:
    rng = np.random.default_rng(bits)
    n, k, block = 12, 64, 32
    path = save_graph(
        tmp_path / "n.onnx",
        [
            helper.make_node(
                "MatMulNBits", ["x", "w", "s"], ["y"],
                domain="com.microsoft", K=k, N=n, bits=bits, block_size=block,
            )
        ],
        inputs={"x": (FLOAT, ["m", k])},
        outputs={"y": FLOAT},
        constants={
            "w": rng.integers(0, 256, (n, k // block, block * bits // 8)).astype(np.uint8),
            "s": rng.uniform(0.01, 0.03, n * k // block).astype(np.float32),
        },
    )  # fmt: skip
    x = rng.standard_normal((5, k)).astype(np.float32)
    got, _ = run(path, {"x": x}, activations="int8")
    near = agreement(got["y"], reference(path, {"x": x})[0])
    assert near.cosine > 0.9995  # int8 activations and 8-bit group scales are all that is rounded


def test_weights_behind_dequantize_linear_and_transpose(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = save_graph(
        tmp_path / "t.onnx",
        [
            node("DequantizeLinear", ["wq", "ws"], ["wd"], axis=0),
            node("Transpose", ["wd"], ["w"], perm=[1, 0]),
            node("MatMul", ["x", "w"], ["h"]),
            node("Add", ["h", "h"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["m", 40])},
        outputs={"y": FLOAT},
        constants={
            "wq": rng.integers(-128, 128, (9, 40)).astype(np.int8),
            "ws": rng.uniform(0.01, 0.02, 9).astype(np.float32),
        },
    )
    x = rng.standard_normal((4, 40)).astype(np.float32)
    got, _ = run(path, {"x": x})
    assert agreement(got["y"], reference(path, {"x": x})[0]).cosine > 0.9998


def test_dynamic_quantisation_of_onnxruntime(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    path = save_graph(
        tmp_path / "d.onnx",
        [
            node("DynamicQuantizeLinear", ["x"], ["xq", "s", "z"]),
            node("MatMulInteger", ["xq", "w", "z"], ["acc"]),
            node("Cast", ["acc"], ["real"], to=TensorProto.FLOAT),
            node("Mul", ["real", "s"], ["y"]),
        ],
        inputs={"x": (FLOAT, ["m", 33])},
        outputs={"y": FLOAT},
        constants={"w": rng.integers(-128, 128, (33, 7)).astype(np.int8)},
    )
    x = rng.standard_normal((4, 33)).astype(np.float32)
    got, _ = run(path, {"x": x})
    np.testing.assert_array_equal(got["y"], reference(path, {"x": x})[0])
