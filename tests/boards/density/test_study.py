# amaranth: UnusedElaboratable=no
from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lutra.boards.density.plan import headline, plan
from lutra.boards.density.points import Point, Sizes, array_config, shapes
from lutra.boards.density.records import Records
from lutra.boards.density.routed import routed_points
from lutra.boards.density.study import best, named_figures, point_of
from lutra.boards.density.targets import LibraryFiles, StudyError, measure
from lutra.boards.synthesis.throughput import macs_per_cycle
from lutra.boards.top import BoardTop
from lutra.host.cli import app

_RUN = CliRunner()


def _record(target: str, pe: str, weight: str, area: float, **fields: Any) -> dict[str, Any]:
    """As `measure` makes it, of an array of the given area."""
    variant = fields.pop("variant", "")
    more = {"timing_met": True, "tops_at_clock": area, "tops_at_fmax": area * (1 + area)}
    basic = {"lanes": 16, "tables": 16}
    if pe == "lut":
        basic = {"lanes": 16 * int(weight), "tables": 4, "lookup_group": 4}
    config = array_config(pe, weight, 8, **{**basic, **fields})
    macs = float(macs_per_cycle(config))
    return {
        "target": target, "element": pe, "weight": weight, "act_bits": 8, "variant": variant,
        "shape": [config.rows, config.lanes, config.tables, config.lookup_group],
        "macs_per_cycle": macs, "plane_macs_per_cycle": config.plane_macs_per_cycle,
        "area_per_mac": area / macs, "area_per_plane_mac": area / config.plane_macs_per_cycle,
        "config": asdict(config), "seed": 1, "commit": "c", "tools": ["t"],
        **(more if target == "ulx3s_85f" else {}),
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    records = Records(tmp_path / "study.jsonl")
    memories = {"table_storage": "lutram", "table_banks": 1}
    made = [
        _record("asic", "lut", "1", 600.0),
        _record("asic", "lut", "1", 500.0, table_bits=8),
        _record("asic", "lut", "1", 450.0, table_bits=6),
        _record("asic", "mac", "1", 1200.0),
        _record("asic", "mac", "1", 1000.0, variant="lean"),
        _record("asic", "add", "1", 800.0),
        _record("asic", "shiftadd", "2", 2000.0),
        _record("asic", "mac", "2", 1500.0, variant="booth"),
        _record("asic", "lut", "2", 1200.0),
        _record("ecp5", "lut", "2", 3584.0, **memories),
        _record("ecp5", "lut", "2", 4096.0, **memories),
        _record("ecp5", "lut3", "1.58", 7680.0, **memories),
        _record("ecp5", "lut3", "1.58", 3840.0, **{**memories, "table_storage": "bram"}),
        _record("ulx3s_85f", "lut", "2", 0.6),
        _record("ulx3s_85f", "mac", "2", 0.25),
    ]
    for number, record in enumerate(made):
        records.add(str(number), record)
    return records.path


def test_named_figures(study: Path):
    found = {f.name: f for f in named_figures(Records(study).latest())}
    assert found["density.asic.ratio_to_mac.w1a8"].value == pytest.approx(0.6)
    assert found["density.asic.q8_ratio_to_mac.w1a8"].value == pytest.approx(0.5)
    assert found["density.asic.ratio_to_add.w1a8"].value == pytest.approx(0.75)
    assert found["density.asic.ratio_to_mac.w2a8"].value == pytest.approx(0.6)
    assert found["density.asic.ratio_to_booth.w2a8"].value == pytest.approx(0.8)
    assert found["density.ecp5.lut4_per_plane_mac.a8"].value == pytest.approx(3584 / 512)
    assert found["density.ecp5.lut4_per_ternary_mac.a8"].value == pytest.approx(10)
    assert found["density.ecp5.lut4_per_ternary_mac_bram.a8"].value == pytest.approx(5)
    assert found["density.ulx3s_85f.tops.w2a8"].value == pytest.approx(0.6)
    assert found["density.ulx3s_85f.ratio_to_dsp.w2a8"].value == pytest.approx(0.96 / 0.3125)
    assert "density.asic.ratio_to_mac.w4a8" not in found  # never a guess
    assert {r["variant"] for r in found["density.asic.ratio_to_mac.w1a8"].records} == {"", "lean"}


def test_best_is_the_smallest_that_fits():
    records = [_record("asic", "mac", "1", a) for a in (3.0, 1.0, 2.0)]
    assert best(records, target="asic") is records[1]
    assert best(records, target="xc7") is None
    assert best(records, target=("asic", "xc7"), element="mac") is records[1]


def test_a_record_gives_its_point_back():
    record = _record("asic", "mac", "2", 1.0, variant="booth")
    point = point_of(json.loads(json.dumps(record)))
    wanted = Point("asic", array_config("mac", "2", 8, lanes=16, tables=16), "2", "booth")
    assert point == wanted


@pytest.mark.parametrize("pe", ["lut", "add", "mac", "shiftadd", "bitserial"])
def test_shapes_have_equal_throughput(pe: str):
    found = list(shapes(pe, "2", 8, 128))
    assert found
    assert all(abs(float(macs_per_cycle(c)) / 128 - 1) < 0.04 for c in found)
    assert len({(c.rows, c.lanes, c.tables, c.lookup_group) for c in found}) == len(found)


def test_plan():
    points = list(plan(["asic", "ecp5"], ["lut", "lut3", "mac"], ["1.58", "2"], [8], 64))
    assert all(p.weight == "1.58" for p in points if p.config.pe == "lut3")
    assert {p.variant for p in points} == {"", "lean", "booth"}
    tables = {p.config.table_storage for p in points if p.config.pe == "lut"}
    assert tables == {"cells", "lutram"}
    assert {p.config.table_bits for p in points if p.target == "ecp5"} == {0}


def test_plan_of_other_sizes_and_variants():
    sizes = Sizes(rows=(1, 3), lanes=(6, 24), groups=(3,))
    points = list(
        plan(["ice40"], ["lut", "mac"], ["1"], [8], 432, sizes=sizes, variants=["", "booth"])
    )
    shapes_of = {
        pe: {(p.config.rows, p.config.lanes, p.config.tables) for p in points if p.config.pe == pe}
        for pe in ("lut", "mac")
    }
    assert shapes_of["lut"] == {(1, 6, 24), (1, 24, 6), (3, 6, 8), (3, 24, 2)}
    assert shapes_of["mac"] == {(1, 6, 72), (1, 24, 18), (3, 6, 24), (3, 24, 6)}
    assert {p.variant for p in points} == {""}  # one-bit multipliers have no Booth digits
    by_hand = plan(["asic"], ["lut", "add", "mac"], ["2"], [8], 64, variants=["booth"], most=1)
    assert [(p.config.pe, p.variant) for p in by_hand if not p.config.table_bits] == [
        ("lut", ""), ("add", ""), ("mac", "booth"),  # the first two have no variants
    ]  # fmt: skip


def test_headline_and_fewer_shapes():
    points = headline()
    assert len({p.text for p in points}) == len(points)
    rates = {float(macs_per_cycle(p.config)) for p in points if p.target == "asic"}
    assert all(min(abs(r / 2048 - 1), abs(r / 512 - 1)) < 0.04 for r in rates)
    few = list(plan(["ice40"], ["add", "mac"], ["2"], [8], 64, most=1))
    assert [(p.config.pe, p.variant) for p in few] == [
        ("add", ""), ("mac", ""), ("mac", "lean"), ("mac", "booth"),
    ]  # fmt: skip


def test_measured_on_ice40_and_in_cells(tmp_path: Path):
    pytest.importorskip("pyosys")
    config = array_config("add", "1", 4, lanes=4, tables=8)
    record = measure(Point("ice40", config, "1"))
    assert record["luts"] > 50
    assert record["area_per_mac"] == record["luts"] / 32
    assert record["tools"][0].startswith("pyosys ")
    with pytest.raises(StudyError, match="give --liberty"):
        measure(Point("asic", config, "1"))


def test_command_prints_what_is_recorded(study: Path):
    done = _RUN.invoke(app, ["bench", "density", "--recorded", "--json", "--records", str(study)])
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)["results"]}
    row = rows["density.asic.ratio_to_mac.w2a8"]
    assert (row["value"], row["unit"]) == (pytest.approx(0.6), "1")
    assert all({"config", "tools", "seed", "commit"} <= set(r) for r in row["records"])


def test_figures(study: Path, tmp_path: Path):
    pytest.importorskip("matplotlib")
    arguments = ["bench", "density", "--recorded", "--records", str(study)]
    for folder in ("one", "two"):
        done = _RUN.invoke(app, [*arguments, "--figures", str(tmp_path / folder)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "one" / "density-tables.svg").is_file()
    one, two = ((tmp_path / f / "density-asic-a8.svg").read_bytes() for f in ("one", "two"))
    assert one == two
    assert b"lookup" in one or b"<path" in one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "ecp6"], "targets must be of"),
        (["--weights", "1.5"], "weights must be of"),
        (["--elements", "lutt"], "elements must be of"),
        (["--acts", "eight"], "acts must be numbers"),
        (["--lanes", "8,0"], "lanes must be numbers from 1"),
        (["--rows", ""], "rows must be numbers from 1"),
        (["--groups", "-3"], "groups must be numbers from 1"),
        (["--variants", "fat"], "variants must be of shipped, lean, booth, not 'fat'"),
        (["--rerun", "density.nothing"], "--rerun must name one of"),
        (["--rerun", "density.asic.ratio_to_mac.w4a8"], "a figure that is recorded"),
        (["--targets", "asic", "--macs", "16"], "give --liberty"),
        (["--liberty", "/nowhere/cells.lib"], "readable files"),
    ],
)
def test_bad_arguments(study: Path, arguments: list[str], message: str):
    full = ["bench", "density", "--records", str(study), *arguments]
    done = _RUN.invoke(app, full, env={"LUTRA_LIBERTY": ""})
    assert done.exit_code != 0
    assert isinstance(done.exception, StudyError)
    assert message in str(done.exception)


def test_library_files(tmp_path: Path):
    path = tmp_path / "a.lib"
    path.write_text("library")
    assert LibraryFiles.read(path).digest == LibraryFiles.read(path).digest
    assert LibraryFiles.read(path).digest != LibraryFiles.read(path, path).digest


def test_routed_points_keep_their_clock_and_memory() -> None:
    """What `--rerun` builds of a record is what was routed."""
    lookup, multiplier = routed_points()
    assert (lookup.config.pe, multiplier.config.pe) == ("lut", "mac")
    assert multiplier.config.plane_macs_per_cycle == 153  # products, a DSP block each
    for point in (lookup, multiplier):
        record = {
            "target": point.target, "config": asdict(point.config), "weight": point.weight,
            "memory": point.memory, "clock_wanted_mhz": point.clock_mhz,
        }  # fmt: skip
        assert point_of(json.loads(json.dumps(record))) == point
        top = BoardTop(
            point.target, point.config, memory=point.memory, clock_hz=point.clock_mhz * 1e6
        )
        assert top.clock_hz == pytest.approx(point.clock_mhz * 1e6, rel=5e-3)
