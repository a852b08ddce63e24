"""``lutra bench utilisation``: every element keeps its array busy."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from lutra.host.commands.bench_utilisation import bench_utilisation


def test_every_array_is_busy():
    app = typer.Typer()
    app.command()(bench_utilisation)
    result = CliRunner().invoke(app, ["--json"])
    assert result.exit_code == 0, result.output
    figures = {row["name"]: row["value"] for row in json.loads(result.stdout)["results"]}
    shares = {name: value for name, value in figures.items() if name.startswith("utilisation.")}
    assert len(shares) == 14
    assert all(0.95 <= share < 1 for share in shares.values()), shares
