from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutra.boards.asic.liberty import LibertyError
from lutra.host.cli import app

from ...boards.asic.small_library import small_liberty

_RUN = CliRunner()

_SMALL = """
weight_bits = 1
max_weight_bits = 1
act_bits = 4
lanes = 16
tables = 1
lookup_group = 2
axi_bits = 32
scale_bits = 0
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    pytest.importorskip("liberty")
    pytest.importorskip("pyosys")
    config, liberty = tmp_path / "few.toml", tmp_path / "small.lib"
    config.write_text(_SMALL)
    liberty.write_text(small_liberty())
    return str(config), str(liberty)


def test_estimate(files: tuple[str, str]):
    config, liberty = files
    done = _RUN.invoke(app, ["synth", config, "--liberty", liberty, "--no-energy", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    rows = {row["name"]: row["value"] for row in found["results"]}
    assert rows["asic.area.few.small"] > 1000
    assert found["estimates"][0]["timing_met"]


def test_clock_missed(files: tuple[str, str]):
    config, liberty = files
    arguments = ["synth", config, "--liberty", liberty, "--no-energy", "--period", "0.1"]
    done = _RUN.invoke(app, arguments)
    assert done.exit_code == 1
    assert "TimingMissed: few takes" in done.output
    assert _RUN.invoke(app, [*arguments, "--allow-timing-fail"]).exit_code == 0


def test_no_library(files: tuple[str, str]):
    config, _ = files
    done = _RUN.invoke(app, ["synth", config, "--liberty", "/nowhere/cells.lib"])
    assert isinstance(done.exception, LibertyError)
    done = _RUN.invoke(app, ["synth", config, "--liberty", config])
    assert "must be a liberty file" in str(done.exception)
