from __future__ import annotations

from pathlib import Path

import pytest

from lutra.boards.asic.adder_cells import find_adder
from lutra.boards.asic.liberty import LibertyError, lef_areas, read_liberty


def test_read(liberty: Path):
    library = read_liberty(liberty)
    assert (library.name, library.voltage, library.areas) == ("small", 2.0, "liberty")
    assert library.gate.name == "NAND2"
    inverter, register = library.cells["INV"], library.cells["DFF"]
    assert (inverter.area, inverter.leakage, inverter.state) == (2.0, 0.5, "")
    assert [pin.name for pin in inverter.inputs] == ["A"]
    assert register.state == "D"
    assert register.pins["CK"].clock
    assert not register.pins["D"].clock


def test_tables_are_interpolated_and_extended(liberty: Path):
    (arc,) = read_liberty(liberty).cells["INV"].pins["Y"].arcs
    for slope, load in ((0.0, 0.0), (1.0, 0.25), (4.0, 2.0)):
        assert arc.delay["rise"].at(slope, load) == pytest.approx(0.1 + slope / 2 + load)
        assert arc.slope["fall"].at(slope, load) == pytest.approx(0.2 * load)


def test_areas_of_lef(liberty: Path):
    lef = liberty.with_suffix(".lef")
    assert lef_areas(lef) == {"INV": 3.0}
    library = read_liberty(liberty, lef)
    assert library.areas == "lef"
    assert library.cells["INV"].area == 3.0
    assert library.cells["NAND2"].area == 4.0
    assert library.digest != read_liberty(liberty).digest


def test_adders(liberty: Path):
    library = read_liberty(liberty)
    full, half = find_adder(library, 3), find_adder(library, 2)
    assert full is not None
    assert half is not None
    assert (full[0].name, full[1], full[2]) == ("FA", "CO", "S")
    assert (half[0].name, half[1], half[2]) == ("HA", "C", "S")


@pytest.mark.parametrize("text", ["", "no library", "library(x) {", "library(x) { }"])
def test_no_library(tmp_path: Path, text: str):
    pytest.importorskip("liberty")
    path = tmp_path / "bad.lib"
    path.write_text(text)
    with pytest.raises(LibertyError, match=r"bad\.lib must be a liberty file"):
        read_liberty(path)


def test_missing_files(liberty: Path, tmp_path: Path):
    with pytest.raises(LibertyError, match="--liberty must be a readable file"):
        read_liberty(tmp_path / "none.lib")
    with pytest.raises(LibertyError, match="--lef must be a readable file"):
        read_liberty(liberty, tmp_path / "none.lef")
    with pytest.raises(LibertyError, match="must be a LEF file"):
        read_liberty(liberty, liberty)
