"""``lutra bench elements``: the same tokens everywhere, and the figures."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from lutra.host.commands.bench_elements import bench_elements

CONFIGS = "w2a8,w1p58a8,w2a8_mac,w2a8_q8"


@pytest.fixture(scope="module")
def runner():
    app = typer.Typer()
    app.command()(bench_elements)
    run = CliRunner(env={"COLUMNS": "100"})
    short = ["--configs", CONFIGS, "--tokens", "3", "--characters", "60"]
    return lambda *more: run.invoke(app, [*short, *more])


def test_figures(runner):
    result = runner("--json")
    assert result.exit_code == 0, result.output
    figures = {row["name"]: row["value"] for row in json.loads(result.stdout)["results"]}
    for name in CONFIGS.split(","):
        assert 5_000 < figures[f"elements.{name}.cycles_per_token"] < 100_000
        assert 0.5 < figures[f"elements.{name}.utilisation"] <= 1
        assert figures[f"elements.{name}.plane_macs_per_cycle"] > 100
    for name in ("w2a8", "w1p58a8", "w2a8_mac"):
        assert figures[f"elements.{name}.same_tokens"] == 1
    exact, rounded = (figures[f"elements.{n}.bits_per_character"] for n in ("w2a8", "w2a8_q8"))
    assert exact == figures["elements.w1p58a8.bits_per_character"]
    assert 0 < abs(rounded - exact) < 0.1
    assert figures["elements.w2a8_q8.table_entry_bits"] == 8
    assert figures["elements.w2a8_q8.exact_entry_bits"] == 10


def test_table(runner):
    text = runner().output
    assert "w2a8_q8: entries of 8 bits for 10" in text
    assert all(name in text for name in CONFIGS.split(","))
