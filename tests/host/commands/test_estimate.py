"""``lutra estimate``: figures with stable names, tables, pictures, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lutra.host.commands.estimate import estimate
from lutra.host.errors import LutraError
from lutra.host.estimator.model_shape import EstimateError
from lutra.host.estimator.published import PUBLISHED, Published

SHORT = ["--model", "opt-125m", "--board", "kv260", "--prompt", "4"]


@pytest.fixture(scope="module")
def run():
    app = typer.Typer()
    app.command()(estimate)
    runner = CliRunner(env={"COLUMNS": "140"})
    return lambda *arguments: runner.invoke(app, arguments)


def test_figures(run):
    result = run(*SHORT, "--json")
    assert result.exit_code == 0, result.output
    figures = {row["name"]: row["value"] for row in json.loads(result.stdout)["results"]}
    name = "estimate.opt-125m.kv260"
    assert figures[f"{name}.fits"] == 1
    assert figures[f"{name}.decode_tokens_per_s"] == pytest.approx(
        figures[f"{name}.clock"] / figures[f"{name}.decode_cycles"]
    )
    assert figures[f"{name}.decode.ffn_up.bandwidth_bound"] == 1
    assert figures[f"{name}.prefill.ffn_up.bound_fraction"] > 0.9


def test_options_change_what_they_say(run):
    def decode(*more: str) -> float:
        rows = json.loads(run(*SHORT, *more, "--json").stdout)["results"]
        return next(row["value"] for row in rows if row["name"].endswith("decode_tokens_per_s"))

    base = decode()
    assert decode("--bits", "2") > 1.3 * base
    assert decode("--bandwidth", "1000") < base / 10
    assert decode("--clock", "100") < base / 2
    assert decode("--latency", "1000") < base
    assert decode("--head-bits", "4") > base
    assert decode("--group-size", "0") > base
    assert decode("--context", "64", "--cache-bits", "4") < base
    assert decode("--accelerators", "8", "--bandwidth", "400000") > 3 * base
    assert decode("--config", "w4a8_shiftadd") != base


def test_several_boards_stand_beside_published_figures(run, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "opt-125m", (Published("a processor", 11, "someone"),))
    boards = (*SHORT, "--with", "alveo_u280")
    rows = json.loads(run(*boards, "--json").stdout)["results"]
    figures = {row["name"]: row["value"] for row in rows}
    alone = json.loads(run(*SHORT, "--json").stdout)["results"][0]
    assert figures[alone["name"]] == alone["value"]
    assert figures["estimate.opt-125m.alveo_u280.decode_tokens_per_s"] > alone["value"]
    assert figures["published.opt-125m.a processor"] == 11
    text = run(*boards).stdout
    assert "kv260" in text
    assert "a processor" in text
    assert [p.tokens_per_second for p in PUBLISHED["bitnet-3b"]] == [11, 30, 71]
    failed = run(*SHORT, "--with", "arty_a7")
    assert isinstance(failed.exception, EstimateError)


def test_table_and_picture(run, tmp_path: Path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "roofline.png"
    result = run(*SHORT, "--roofline", str(picture))
    assert result.exit_code == 0, result.output
    assert "ffn_down" in result.output
    assert "Lutra has no build for this board" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["roofline.png"]
    result = run(*SHORT, "--roofline", str(tmp_path / "roofline.txt"))
    assert isinstance(result.exception, LutraError)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_does_not_fit_is_said(run):
    output = run("--model", "opt-125m", "--board", "ulx3s", "--prompt", "1").output
    assert "do NOT fit" in output
    assert isinstance(run("--board", "icebreaker").exception, EstimateError)
    assert isinstance(run("--model", "nothing").exception, EstimateError)


def test_names_are_listed(run):
    listed = json.loads(run("--list", "--json").stdout)
    assert "bitnet-3b" in {model["name"] for model in listed["models"]}
    assert "ulx3s_85f" in {board["name"] for board in listed["boards"]}
    assert "tang_nano_20k" in run("--list").output
