from __future__ import annotations

import json

from numpy.random import default_rng
from typer.testing import CliRunner

from lutra.host.cli import app
from lutra.host.llm import SHIPPED

from ..importers import onnx_models as om


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["inspect", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_lists_without_reading():
    rows = {row["name"]: row for row in json.loads(run(str(SHIPPED), "--json"))["tensors"]}
    assert rows["token_embd.weight"] == {
        "name": "token_embd.weight", "type": "F16", "shape": [1024, 256], "bytes": 524288,
        "becomes": "array",
    }  # fmt: skip
    assert rows["blk.0.ffn_up.weight"]["becomes"] == "2 bits / 256"
    assert "max_error" not in rows["blk.0.ffn_up.weight"]


def test_errors_are_measured():
    options = (str(SHIPPED), "--errors", "--match", "ffn_up")
    (row, *_), text = json.loads(run(*options, "--json"))["tensors"], run(*options)
    assert (row["planes"], row["max_error"], row["bound"]) == ([2], 0, 0)
    assert "2 planes" in text
    assert "token_embd" not in text


def test_what_is_not_read_says_so(tmp_path):
    weights = om.constant("w", default_rng(0).integers(-9, 9, (8, 6)).astype("int8"))
    scales = om.constant("s", default_rng(0).uniform(1, 2, 8).astype("float32"))
    nodes = [om.node("DequantizeLinear", "ws", "d", axis=0), om.node("MatMul", "xd", "y")]
    path = om.save(om.model(nodes, [weights, scales], inputs={"x": "FLOAT"}), tmp_path)
    (row,) = json.loads(run(str(path), "--errors", "--json"))["tensors"]
    assert (row["name"], row["becomes"]) == ("w", "not read")
