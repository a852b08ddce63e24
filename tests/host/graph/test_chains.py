"""Quantised products behind one another stay on the device, and give what onnxruntime gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host import Accelerator
from lutra.host.graph.compile import compile_onnx
from lutra.host.graph.compiled import ChainRun, HostRun
from lutra.host.graph.compiled_file import load_compiled, save_compiled
from lutra.host.graph.runner import ModelRunner

from .graphs import save_graph
from .test_compile import FLOAT, node, reference

WIDE = load_config("w2a8")


def three_products(path: Path, *, scales: int = 1, zero: int = 0, extra: bool = False) -> Path:
    """QDQ all the way: 64 to 128 to 64 to 10, the first weights with `scales` scales."""
    rng = np.random.default_rng(0)
    nodes, source = [], "x"
    constants: dict[str, np.ndarray] = {"zero": np.array(zero, np.int8)}
    for i, (k, n) in enumerate([(64, 128), (128, 64), (64, 10)]):
        constants |= {
            f"s{i}": np.array([0.02, 0.05, 0.04][i], np.float32),
            f"w{i}": rng.integers(-127, 128, (k, n)).astype(np.int8),
            f"ws{i}": np.array(0.001, np.float32)
            if scales == 1 or i
            else rng.uniform(0.001, 0.002, n).astype(np.float32),
        }
        nodes += [
            node("QuantizeLinear", [source, f"s{i}", "zero"], [f"q{i}"]),
            node("DequantizeLinear", [f"q{i}", f"s{i}", "zero"], [f"d{i}"]),
            node("DequantizeLinear", [f"w{i}", f"ws{i}"], [f"wd{i}"], axis=1),
            node("MatMul", [f"d{i}", f"wd{i}"], [f"y{i}"]),
        ]
        source = f"y{i}"
    outputs = {"y2": FLOAT} | ({"y0": FLOAT} if extra else {})
    return save_graph(
        path, nodes, inputs={"x": (FLOAT, ["m", 64])}, outputs=outputs, constants=constants
    )


def test_three_products_are_one_chain(tmp_path: Path) -> None:
    path = three_products(tmp_path / "c.onnx")
    saved = tmp_path / "c.lutra"
    save_compiled(compile_onnx(path, WIDE), saved)
    compiled = load_compiled(saved)
    assert [type(step) for step in compiled.steps] == [HostRun, ChainRun]
    x = np.random.default_rng(1).standard_normal((6, 64)).astype(np.float32)
    with Accelerator.open("golden", config=WIDE) as device, ModelRunner(compiled, device) as r:
        got = r.run({"x": x})["y2"]
        assert r.run({"x": x[:0]})["y2"].shape == (0, 10)
    want = reference(path, {"x": x})[0]
    # Ties and the fixed-point factor may move a quantised value by one.
    step = 0.04 * 0.001 * 127 * 4
    assert np.abs(got - want).max() <= step
    assert np.mean(np.isclose(got, want, rtol=1e-5)) > 0.8


@pytest.mark.parametrize(
    "options", [{"scales": 2}, {"zero": 3}, {"extra": True}], ids=["scales", "zero", "wanted"]
)
def test_what_cannot_stay_goes_over_the_host(tmp_path: Path, options: dict) -> None:
    path = three_products(tmp_path / "c.onnx", **options)
    compiled = compile_onnx(path, WIDE)
    chained = sum(len(s.runs) for s in compiled.steps if isinstance(s, ChainRun))
    assert chained == (0 if "zero" in options else 2)  # the second and third still can
    x = np.random.default_rng(2).standard_normal((3, 64)).astype(np.float32)
    with Accelerator.open("golden", config=WIDE) as device, ModelRunner(compiled, device) as r:
        got = r.run({"x": x})["y2"]
    want = reference(path, {"x": x})[0]
    assert np.abs(got - want).max() <= 0.04 * 0.001 * 127 * 4
