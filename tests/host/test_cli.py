"""The command line: every verb, its help, its figures, and errors without a traceback."""

import json
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutra.gen.config_names import preset_names
from lutra.host import cli

runner = CliRunner()


def figures(*arguments: str) -> dict[str, float]:
    """Values by name of a command's ``--json`` output."""
    result = runner.invoke(cli.app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    results = json.loads(result.stdout)["results"]
    assert all(set(entry) == {"name", "value", "unit"} for entry in results)
    return {entry["name"]: entry["value"] for entry in results}


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Exit code of the program as it is installed."""
    monkeypatch.setattr(sys, "argv", ["lutra", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_version():
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    result = runner.invoke(cli.app, ["--version"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == f"lutra {project['project']['version']}\n"


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["gen"],
        ["configs"],
        ["info"],
        ["run"],
        ["tb"],
        ["bench"],
        ["bench", "cycles"],
        ["bench", "sim"],
    ],
)
def test_help(command: list[str]):
    result = runner.invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_gen_writes_into_build_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(cli.app, ["gen", "tiny"])
    assert result.exit_code == 0
    assert (tmp_path / "build" / "tiny" / "lutra.v").is_file()
    assert "build/tiny/lutra.json" in result.stdout


def test_gen_into_a_folder_from_a_file(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("lanes = 4\ntables = 2\naxi_bits = 32\n")
    arguments = ["gen", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]
    assert runner.invoke(cli.app, arguments).exit_code == 0
    assert json.loads((tmp_path / "out" / "lutra.json").read_text())["name"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gen", "w2b8"], "UnknownConfigError: configuration must be a preset"),
        (["gen", "w2a99"], "ConfigError: act_bits must be from 2 to 16, not 99"),
        (["gen", "none.toml"], "UnknownConfigError: configuration file 'none.toml'"),
        (["tb", "w2b8"], "did you mean w2a8"),
        (["run", "--model", __file__], "CheckpointError: test_cli.py must be a .gguf"),
        (["run", "--model", "none.gguf"], "FileNotFoundError"),
        (["bench", "cycles", "--config", "w2b8"], "did you mean w2a8"),
    ],
)
def test_errors_are_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
):
    assert main(monkeypatch, *arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) == 1


def test_usage_errors_exit_with_2(monkeypatch: pytest.MonkeyPatch):
    assert main(monkeypatch, "generate") == 2
    assert main(monkeypatch, "gen", "--bad-option") == 2


def test_configs():
    result = runner.invoke(cli.app, ["configs"])
    assert all(name in result.stdout for name in preset_names())
    listed = json.loads(runner.invoke(cli.app, ["configs", "w3a8", "--json"]).stdout)
    assert listed["configurations"][0]["configuration"]["weight_bits"] == 3
    assert listed["configurations"][0]["derived"]["k_block"] == 32


def test_info():
    result = runner.invoke(cli.app, ["info"])
    assert result.exit_code == 0
    assert "verilator" in result.stdout
    assert "cache" in result.stdout


def test_bench_cycles():
    found = figures("bench", "cycles")
    assert found["utilisation.1x4096x4096.w2"] >= 0.95
    assert found["utilisation.16x1024x1024.w2"] >= 0.95
    assert 3.8 <= found["cycles_ratio.w4_w1.1x4096x4096"] <= 4.05
    assert 0.95 <= found["bandwidth_fraction.1x4096x4096.w2.8B"] <= 1


def test_bench_sim():
    """Figures of time depend on the machine and its load: these bounds are for any of them."""
    found = figures("bench", "sim", "--repeat", "3")
    assert found["sim.plane_macs_per_s"] > 0
    assert 0.3 <= found["sim.fraction_of_bare"] <= 2
    assert found["sim.bare_cycles_per_s"] > 0
