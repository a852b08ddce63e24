"""The flow around its tools: cache, seeds, results on disk, errors that leave nothing behind."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lutra.boards.synthesis.errors import DoesNotFitError, FlowToolError
from lutra.boards.synthesis.flow import Flow
from lutra.boards.synthesis.yosys import YosysError
from lutra.gen.cache import cache_folder

from .fake_tools import FakeTools, small_design


def test_the_best_seed_is_kept(fakes: FakeTools, tmp_path: Path) -> None:
    (built,) = Flow(jobs=2).build([small_design()], seeds=range(1, 5), root=tmp_path)
    assert fakes.seeds == [1, 2, 3, 4]
    assert built.error is None
    assert built.report is not None
    assert (built.report.seed, built.report.fmax_mhz) == (2, 60.0)
    assert built.report.seeds == {1: 50.0, 2: 60.0, 3: 55.0, 4: 45.0}
    assert built.bitstream == tmp_path / "tiny" / "ulx3s_25f" / "lutra.bit"
    assert built.bitstream.read_text() == "placed with seed 2"
    names = {path.name for path in built.folder.iterdir()}
    assert names == {"lutra.bit", "lutra.lpf", "nextpnr.log", "report.json", "report.txt",
                     "yosys.log"}  # fmt: skip
    assert "timing at 40 MHz met, seed 2" in (built.folder / "report.txt").read_text()


def test_nothing_is_done_twice(fakes: FakeTools, tmp_path: Path) -> None:
    design = small_design()
    Flow().build([design], seeds=[1], root=tmp_path)
    report = tmp_path / "tiny" / "ulx3s_25f" / "report.json"
    first = report.stat().st_mtime_ns
    Flow().build([design], seeds=[1, 2], root=tmp_path)
    assert (len(fakes.syntheses), fakes.seeds) == (1, [1, 2])
    Flow().build([design], seeds=[1], root=tmp_path / "elsewhere")
    assert fakes.seeds == [1, 2]
    assert first <= report.stat().st_mtime_ns
    changed = replace(design, files={**design.files, "lutra.lpf": "other pins"})
    Flow().build([changed], seeds=[1], root=tmp_path)
    assert (len(fakes.syntheses), fakes.seeds) == (2, [1, 1, 2])


def test_other_tools_give_other_results(
    fakes: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = small_design()
    Flow().build([design], root=tmp_path)
    monkeypatch.setattr("lutra.boards.synthesis.steps.yosys_version", lambda: "another yosys")
    Flow().build([design], root=tmp_path)
    assert (len(fakes.syntheses), fakes.seeds) == (2, [1, 1])


def test_several_designs(fakes: FakeTools, tmp_path: Path) -> None:
    designs = [small_design(), small_design("w2a8", "another")]
    built = Flow(jobs=3).build(designs, seeds=[1, 2], root=tmp_path)
    assert [one.design for one in built] == designs
    assert all(one.bitstream is not None for one in built)
    assert (tmp_path / "w2a8" / "ulx3s_25f" / "lutra.bit").is_file()
    assert fakes.seeds == [1, 1, 2, 2]


@pytest.mark.parametrize("allowed", [False, True])
def test_missed_timing(allowed: bool, fakes: FakeTools, tmp_path: Path) -> None:
    """A report in any case; the bitstream only where that is allowed, and no old one stays."""
    design = small_design()
    folder = tmp_path / "tiny" / "ulx3s_25f"
    Flow().build([design], root=tmp_path)
    assert (folder / "lutra.bit").is_file()
    fakes.behave(used=9000, fmax=[30.0])
    slow = replace(design, clock_hz=41e6, script=("synth slow",))
    (built,) = Flow().build([slow], root=tmp_path, allow_timing_fail=allowed)
    assert built.report is not None
    assert not built.report.timing_met
    assert json.loads((folder / "report.json").read_text())["timing_met"] is False
    assert "MISSED" in (folder / "report.txt").read_text()
    assert (built.bitstream is not None) == (folder / "lutra.bit").is_file() == allowed


def test_too_large(fakes: FakeTools, tmp_path: Path) -> None:
    Flow().build([small_design()], root=tmp_path)
    fakes.behave(used=30000)
    large = replace(small_design(), script=("synth large",))
    (built,) = Flow().build([large], seeds=[1, 2], root=tmp_path)
    assert isinstance(built.error, DoesNotFitError)
    assert str(built.error) == (
        "tiny on ulx3s_25f does not fit: it needs 30,000 TRELLIS_COMB of 24,288, 5,712 too many "
        "(1.24 times)"
    )
    assert list(built.folder.glob("lutra.bit")) == list(built.folder.glob("report.*")) == []
    assert not [p for p in (cache_folder() / "place").iterdir() if p.is_dir()][1:], "only the first"


def test_a_tool_that_fails(fakes: FakeTools, tmp_path: Path) -> None:
    fakes.behave(used=9000, fails=True)
    (built,) = Flow().build([small_design()], root=tmp_path)
    assert isinstance(built.error, FlowToolError)
    assert str(built.error) == "nextpnr-ecp5: Failed to route something"
    assert not built.folder.exists()
    assert not [p for p in (cache_folder() / "place").iterdir() if p.is_dir()]


def test_yosys_that_fails(fakes: FakeTools, tmp_path: Path, monkeypatch) -> None:
    def fail(commands, **_: object) -> str:
        raise YosysError("Yosys: no such thing")

    monkeypatch.setattr("lutra.boards.synthesis.steps.run_yosys", fail)
    (built,) = Flow().build([small_design()], root=tmp_path)
    assert isinstance(built.error, YosysError)
    assert fakes.seeds == []


def test_progress_is_told_and_ends(fakes: FakeTools, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    Flow(progress=lambda job, phase: told.append((job, phase))).build(
        [small_design()], root=tmp_path
    )
    seed = [phase for job, phase in told if job == "tiny on ulx3s_25f, seed 1"]
    assert seed[0] == "waiting"
    assert "packing" in seed
    assert seed[-2:] == ["packing the bitstream", ""]


def test_figures(fakes: FakeTools, tmp_path: Path) -> None:
    (built,) = Flow().build([small_design()], root=tmp_path)
    assert built.report is not None
    figures = {row["name"]: row for row in built.report.to_json()["results"]}
    where = "tiny.ulx3s_25f"
    assert figures[f"synth.luts.{where}"]["value"] == 8000
    assert figures[f"synth.fmax.{where}"]["value"] == 50.0
    peak = figures[f"synth.peak_at_fmax.{where}"]
    assert peak == {"name": peak["name"], "value": pytest.approx(2 * 16 * 50e6 / 1e12),
                    "unit": "TOPS w2a8"}  # fmt: skip
    assert figures[f"synth.luts_per_mac.{where}"]["value"] == 500
    assert figures[f"synth.luts_per_plane_mac.{where}"]["value"] == 250
    text = (built.folder / "report.txt").read_text()
    assert re.search(r"5\.00 ns +5\.00 ns +system\.core\.b", text)
