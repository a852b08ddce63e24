"""A classifier from outside: trained by scikit-learn, exported by skl2onnx, run by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lutra.host import Accelerator
from lutra.host.cli import app
from lutra.host.encoder.digits import (
    Classified,
    Digits,
    classify,
    export_classifier,
    read_digits,
)
from lutra.host.graph.compile import compile_onnx
from lutra.host.graph.compiled import ChainRun, DeviceRun
from lutra.host.graph.onnx_session import open_session
from lutra.host.graph.runner import ModelRunner


@pytest.fixture(scope="module")
def digits() -> Digits:
    return read_digits()


@pytest.fixture(scope="module")
def graph(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.onnx"
    export_classifier(digits, path, hidden=(32,), epochs=30)
    return path


def accuracy(found: Classified, digits: Digits) -> float:
    return float((found.labels == digits.test_labels).mean())


@pytest.mark.parametrize(("bits", "least"), [(8, 0.995), (4, 0.96), (2, 0.7)])
def test_labels_of_held_out_digits(graph: Path, digits: Digits, bits: int, least: float) -> None:
    wanted = classify(graph, digits.test)
    assert accuracy(wanted, digits) > 0.95
    compiled = compile_onnx(graph, "tiny", bits=bits, group_size=32, symmetric=False)
    with Accelerator.open("golden", config="tiny") as device:
        found = classify(compiled, digits.test, device)
    assert found.labels.dtype == np.int64
    assert (found.labels == wanted.labels).mean() >= least
    if bits == 8:
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=0.05)


def command(*arguments: str) -> dict[str, float]:
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return {entry["name"]: entry["value"] for entry in json.loads(result.stdout)["results"]}


def test_the_commands_run_it_on_the_simulated_device(
    graph: Path, digits: Digits, tmp_path: Path
) -> None:
    compiled, inputs, out = (str(tmp_path / n) for n in ("d.lutra", "x.npz", "y.npz"))
    np.savez(inputs, X=digits.test[:5])
    figures = command("compile", str(graph), "-c", "tiny", "--bits", "8", "-o", compiled)
    assert figures["compile.products"] == 2
    figures = command(
        "run-model", compiled, "-i", inputs, "-o", out, "--reference", str(graph)
    )  # fmt: skip
    assert figures["run_model.cosine.output_probability"] > 0.99
    assert figures["run_model.cycles"] > 0
    with np.load(out) as found:
        assert found["output_label"].tolist() == digits.test_labels[:5].tolist()
        assert found["output_probability"].shape == (5, 10)


def test_wrong_paths_are_named(graph: Path, tmp_path: Path) -> None:
    def failure(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        return f"{type(result.exception).__name__}: {result.exception}"

    assert "must be an ONNX file" in failure("compile", str(tmp_path))
    assert "out must end in .npz" in failure("run-model", "no.lutra", "-o", "y.txt")
    assert failure("run-model", str(graph)).startswith("CompiledModelError")
    assert failure("run-model", str(tmp_path / "no.lutra")).startswith("FileNotFoundError")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["dynamic", "static"])
def test_graphs_that_onnxruntime_quantised(
    graph: Path, digits: Digits, tmp_path: Path, how: str
) -> None:
    """Its integers are taken as they are: labels are its own."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

    class Reader(CalibrationDataReader):
        rows = iter(np.split(digits.train[:64], 8))

        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            rows = next(self.rows, None)
            return None if rows is None else {"X": rows}

    path = tmp_path / "q.onnx"
    if how == "dynamic":
        quantize_dynamic(graph, path)
    else:
        quantize_static(graph, path, Reader())
    compiled = compile_onnx(path, "tiny")
    assert all("as it is" in note for note in compiled.notes.values())
    runs = [step for step in compiled.steps if isinstance(step, (DeviceRun, ChainRun))]
    assert len(compiled.notes) == len(runs) == 2
    labels, _ = open_session(path).run(None, {"X": digits.test})
    with Accelerator.open("golden", config="tiny") as device, ModelRunner(compiled, device) as r:
        found = r.run({"X": digits.test})["output_label"]
    assert (found == np.asarray(labels)).mean() > 0.99
