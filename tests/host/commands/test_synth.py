"""``lutra synth`` and ``lutra program`` as they are typed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lutra.boards.synthesis.errors import DoesNotFitError, Shortage
from lutra.host import cli
from lutra.host.commands import synth as command
from tests.boards.synthesis.fake_tools import FakeTools, install, small_design

runner = CliRunner()


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    fakes = install(tmp_path, monkeypatch)
    monkeypatch.setattr(
        command, "prepare_design", lambda board, config, **_: small_design(config, config)
    )
    monkeypatch.chdir(tmp_path)
    return fakes


def test_report(fakes: FakeTools, tmp_path: Path) -> None:
    result = runner.invoke(cli.app, ["synth", "tiny", "--board", "ulx3s_25f", "--seeds", "2"])
    assert result.exit_code == 0, result.output
    assert fakes.seeds == [1, 2]
    assert "timing at 40 MHz met, seed 2" in result.output
    assert (tmp_path / "build" / "tiny" / "ulx3s_25f" / "lutra.bit").is_file()


def test_json(fakes: FakeTools) -> None:
    result = runner.invoke(cli.app, ["synth", "tiny", "w2a8", "--board", "ulx3s_25f", "--json"])
    assert result.exit_code == 0, result.output
    everything = json.loads(result.stdout)
    names = {row["name"] for row in everything["results"]}
    assert {"synth.fmax.tiny.ulx3s_25f", "synth.luts.w2a8.ulx3s_25f"} <= names
    assert [report["config"] for report in everything["reports"]] == ["tiny", "w2a8"]
    assert everything["errors"] == []


def test_missed_timing(fakes: FakeTools) -> None:
    fakes.behave(used=9000, fmax=[30.0])
    result = runner.invoke(cli.app, ["synth", "tiny", "--board", "ulx3s_25f"])
    assert result.exit_code == 1
    assert "TimingMissed: tiny on ulx3s_25f reaches 30.0 MHz of 40 MHz" in result.stderr
    arguments = ["synth", "tiny", "--board", "ulx3s_25f", "--allow-timing-fail"]
    assert runner.invoke(cli.app, arguments).exit_code == 0


def test_too_large(fakes: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.behave(used=30000)
    asked: list[list[Shortage]] = []

    def nearest(flow, design, shortages) -> str:
        asked.append(shortages)
        return "Something smaller fits."

    monkeypatch.setattr(command, "nearest_fit", nearest)
    result = runner.invoke(cli.app, ["synth", "tiny", "--board", "ulx3s_25f"])
    assert result.exit_code == 1
    assert asked == [[Shortage("TRELLIS_COMB", 30000, 24288)]]
    assert f"{DoesNotFitError.__name__}: tiny on ulx3s_25f does not fit" in result.stderr
    assert "Something smaller fits." in result.stderr
    arguments = ["synth", "tiny", "--board", "ulx3s_25f", "--no-suggest"]
    assert runner.invoke(cli.app, arguments).exit_code == 1
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["synth", "tiny", "--board", "ulx4s"], "UnknownBoardError: board must be one of arty_a7"),
        (["synth", "w9", "--board", "ulx3s"], "UnknownConfigError: configuration must be a preset"),
        (["synth", "tiny", "--board", "arty", "--memory", "sdram"], "UnknownMemoryError: memory"),
        (["synth", "tiny", "--board", "ulx3s", "--clock", "50"], "SdramClockError: clock must be"),
        (["program", "tiny", "--board", "icebreaker"], "ProgramError: build/tiny/icebreaker"),
        (["program", "tiny", "--board", "xyzzy"], "UnknownBoardError: board must be one of"),
    ],
)  # fmt: skip
def test_bad_input(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lutra", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_program_asks_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """The bitstream is loaded, and then nothing is at the port."""
    install(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "prepare_design", lambda *_, **__: small_design())
    assert runner.invoke(cli.app, ["synth", "tiny", "--board", "ulx3s_25f"]).exit_code == 0
    monkeypatch.setenv("OPENFPGALOADER", f"{sys.executable} -c pass")
    arguments = ["lutra", "program", "tiny", "--board", "ulx3s_25f", "--port", "/dev/nothing"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    shown = capsys.readouterr()
    assert "loaded build/tiny/ulx3s_25f/lutra.bit" in shown.out
    assert "PortError: /dev/nothing" in shown.err
