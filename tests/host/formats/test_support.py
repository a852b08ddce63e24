"""The registry of formats, what is supported, and the command that lists it."""

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lutra.gen.config_names import load_config
from lutra.host.commands.formats import formats
from lutra.host.formats.registry import ACTIVATIONS, ELEMENTS, WEIGHTS
from lutra.host.formats.support import (
    Combination,
    UnsupportedCombinationError,
    config_for,
    reason_against,
    require,
)
from lutra.hw.config import PROCESSING_ELEMENTS, ConfigError

from .golden_check import acts, device

DOCS = Path(__file__).parents[3] / "docs" / "formats"


def test_registry_is_complete():
    assert tuple(ELEMENTS) == PROCESSING_ELEMENTS
    for form in WEIGHTS.values():
        module, _, name = form.entry.rpartition(".")
        if module.endswith("QuantizedMatrix"):
            module = module.rpartition(".")[0]
            name = "QuantizedMatrix"
        assert hasattr(importlib.import_module(module), name), form.entry
        assert (DOCS / f"{form.family}.md").is_file(), form.family


@pytest.mark.parametrize("pe", ELEMENTS)
def test_what_is_called_supported_runs(pe):
    ran = 0
    for name, form in WEIGHTS.items():
        combination = Combination(name, "int8", pe)
        config = config_for(combination)
        if reason_against(name, "int8", config) is not None:
            continue
        matrix, on = form.make(), device(pe, name)
        x = acts(0, 2, matrix.shape[1])
        loaded = on.load(matrix)
        y = on.matmul(x, loaded)
        loaded.free()
        expected = x.astype(np.int64) @ matrix.integers().T
        if matrix.row_scales is not None:
            expected = expected.astype(np.float32) * matrix.row_scales
        assert np.array_equal(y, expected), combination
        ran += 1
    assert ran >= 40


@pytest.mark.parametrize(
    ("weights", "activations", "change", "text"),
    [
        ("fp4", "int16", {}, r"act_bits of at least 16.*nearest supported: fp4 weights, int8"),
        ("nf4", "bf16", {}, r"needs act_exponent_bits; nearest supported: nf4 weights, int"),
        ("int8", "int8", {"max_weight_bits": 4}, r"max_weight_bits = 4.*: int4 weights, int8"),
        ("mxfp4", "int8", {"scale_bits": 0}, r"scale_bits = 0.*: fp4 weights, int8"),
        ("adaptive8", "int8", {"pe": "mac"}, r"takes one for 2 bits.*adaptive8.* on 'lut'"),
        ("int3", "int8", {"pe": "mac", "weight_bits": 1, "max_weight_bits": 2}, r"int2 weights"),
    ],
)
def test_unsupported_says_why_and_what_is_near(weights, activations, change, text):
    config = replace(load_config("w2a8"), **change)
    assert reason_against(weights, activations, config) is not None
    with pytest.raises(UnsupportedCombinationError, match=text):
        require(weights, activations, config)


def test_supported_is_silent_and_unknown_is_named():
    require("mxfp4", "int8", load_config("w2a8"))
    with pytest.raises(UnsupportedCombinationError, match=r"not 'fp5' \(did you mean .*fp4"):
        require("fp5", "int8", load_config("w2a8"))
    with pytest.raises(ConfigError, match="activation format must be one of"):
        require("fp4", "int7", load_config("w2a8"))
    with pytest.raises(UnsupportedCombinationError, match="processing element must be"):
        config_for(Combination("fp4", "int8", "fpu"))


def test_command_lists_everything():
    app = typer.Typer()
    app.command()(formats)
    runner = CliRunner(env={"COLUMNS": "160"})
    text = runner.invoke(app, []).output
    assert all(re.search(rf"\b{re.escape(name)}\b", text) for name in (*WEIGHTS, *ACTIVATIONS))
    listed = json.loads(runner.invoke(app, ["--json"]).output)
    assert [row["name"] for row in listed["weights"]] == list(WEIGHTS)
    assert [row["name"] for row in listed["elements"]] == list(ELEMENTS)
    count = sum(sum(row["supported"].values()) for row in listed["weights"])
    assert count >= 120  # with int8 activations alone
    one = runner.invoke(app, ["bipolar8"]).output
    assert "mac:" in one
    assert "lut:" not in one
    fine = runner.invoke(app, ["nf4", "--config", "w2a8"])
    assert fine.exit_code == 0
    assert "run on w2a8" in fine.output
    wrong = runner.invoke(app, ["nf4", "--config", "w2a8", "--activations", "int16"])
    assert isinstance(wrong.exception, UnsupportedCombinationError)
