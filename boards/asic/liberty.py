"""What an estimate needs of a liberty file: areas, leakage, functions, capacitances, timing."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .expressions import truth_table

__all__ = ["Arc", "Cell", "LibertyError", "Library", "Pin", "Table", "lef_areas", "read_liberty"]


class LibertyError(ValueError):
    """The liberty file is missing, unreadable, or lacks what an estimate needs."""


@dataclass(frozen=True)
class Table:
    """``values[i][j]`` over two axes, interpolated linearly and extended beyond its ends."""

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, row: float, column: float) -> float:
        i, a = _place(self.rows, row)
        j, b = _place(self.columns, column)
        upper = self.values[i]
        low = upper[j] if b == 0.0 else upper[j] + b * (upper[j + 1] - upper[j])
        if a == 0.0:
            return low
        lower = self.values[i + 1]
        high = lower[j] if b == 0.0 else lower[j] + b * (lower[j + 1] - lower[j])
        return low + a * (high - low)


@dataclass(frozen=True)
class Arc:
    """Delay and output slope from one pin to another, or a setup time, as tables.

    Tables of delays are over (input slope, load), those of setup times over (data slope, clock
    slope). `sense` is "positive_unate", "negative_unate" or "non_unate".
    """

    source: str
    sense: str
    kind: str
    delay: dict[str, Table] = field(default_factory=dict)
    slope: dict[str, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Pin:
    """A pin; `capacitance` in pF. `function` is the liberty expression, empty for inputs."""

    name: str
    direction: str
    capacitance: float
    function: str
    clock: bool
    arcs: tuple[Arc, ...]


@dataclass(frozen=True)
class Cell:
    """A cell: `area` in the library's own unit (um2 in most), `leakage` in nW.

    `state` is what its flip-flop or latch loads ("" for logic), as a liberty expression.
    """

    name: str
    area: float
    leakage: float
    state: str
    pins: dict[str, Pin]

    @property
    def outputs(self) -> list[Pin]:
        return [pin for pin in self.pins.values() if pin.direction == "output"]

    @property
    def inputs(self) -> list[Pin]:
        return [pin for pin in self.pins.values() if pin.direction == "input"]


@dataclass(frozen=True)
class Library:
    """A library as an estimate sees it. Times in ns, capacitances in pF, leakage in nW."""

    name: str
    voltage: float
    cells: dict[str, Cell]
    digest: str
    areas: str  # "liberty" or "lef"

    @property
    def gate(self) -> Cell:
        """The two-input NAND of least area: the unit of gate equivalents."""
        found = [c for c in self.cells.values() if _is_nand2(c)]
        if not found:
            raise LibertyError(f"library {self.name} must have a two-input NAND cell")
        return min(found, key=lambda c: c.area)


def read_liberty(path: str | Path, lef: str | Path | None = None) -> Library:
    """Parse a liberty file.

    Parameters
    ----------
    path : path
        The library.
    lef : path, optional
        A LEF file of the same cells. Areas then are those of the cells' outlines: what is laid
        out, where a liberty file is wrong.

    Raises
    ------
    LibertyError
        A file is missing or is none of its kind.
    """
    from liberty.parser import parse_liberty

    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise LibertyError(f"--liberty must be a readable file: {error}") from None
    try:
        top: Any = parse_liberty(text)
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LibertyError(f"{Path(path).name} must be a liberty file: {line}") from None
    areas = lef_areas(lef) if lef is not None else {}
    time = _scale(top, "time_unit", 1e-9, {"ns": 1e-9, "ps": 1e-12, "us": 1e-6})
    power = _scale(top, "leakage_power_unit", 1e-9, {"nW": 1e-9, "uW": 1e-6, "pW": 1e-12})
    unit = top["capacitive_load_unit"] or [1, "pf"]
    load = float(unit[0]) * {"pf": 1.0, "ff": 1e-3}.get(str(unit[1]).strip('"').lower(), 1.0)
    cells = {}
    for group in top.get_groups("cell"):
        cell = _cell(group, time / 1e-9, load, power / 1e-9)
        if cell.name in areas:
            cell = Cell(cell.name, areas[cell.name], cell.leakage, cell.state, cell.pins)
        cells[cell.name] = cell
    if not cells:
        raise LibertyError(f"{Path(path).name} must be a liberty file with cells in it")
    return Library(
        name=str(top.args[0]).strip('"') if top.args else Path(path).stem,
        voltage=float(top["nom_voltage"] or 1.0),
        cells=cells,
        digest=hashlib.sha256(text.encode() + repr(sorted(areas.items())).encode()).hexdigest(),
        areas="lef" if areas else "liberty",
    )


def lef_areas(path: str | Path) -> dict[str, float]:
    """Area of every macro of a LEF file, in um2.

    Raises
    ------
    LibertyError
        The file is missing or has no macro with a size.
    """
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise LibertyError(f"--lef must be a readable file: {error}") from None
    found = re.findall(r"MACRO\s+(\S+)(?:(?!MACRO).)*?SIZE\s+([\d.]+)\s+BY\s+([\d.]+)", text, re.S)
    if not found:
        raise LibertyError(f"{Path(path).name} must be a LEF file with the sizes of its macros")
    return {name: round(float(width) * float(height), 4) for name, width, height in found}


def _cell(group: Any, time: float, load: float, power: float) -> Cell:
    pins = {}
    for pin in group.get_groups("pin"):
        name = str(pin.args[0]).strip('"')
        pins[name] = Pin(
            name,
            _text(pin["direction"]),
            float(pin["capacitance"] or 0) * load,
            _text(pin["function"]),
            _text(pin["clock"]) == "true",
            tuple(a for t in pin.get_groups("timing") for a in _arcs(t, time, load)),
        )
    state = next((_text(s["next_state"]) for s in group.get_groups("ff")), "")
    state = state or next((_text(s["data_in"]) for s in group.get_groups("latch")), "")
    leakage = float(group["cell_leakage_power"] or 0) * power
    area = float(group["area"] or 0)
    return Cell(str(group.args[0]).strip('"'), area, leakage, state, pins)


def _arcs(timing: Any, time: float, load: float) -> list[Arc]:
    kind = _text(timing["timing_type"]) or "combinational"
    tables: dict[str, Table] = {}
    for group in timing.groups:
        values = group.get_array("values") if "values" in group else None
        if values is None:
            continue
        first, second = (
            [float(v) for v in group.get_array(f"index_{i}")[0]] if f"index_{i}" in group else [0.0]
            for i in (1, 2)
        )
        rows = [[float(v) * time for v in row] for row in values]
        tables[group.group_name] = _oriented(group.group_name, first, second, rows, time, load)
    arcs = []
    for source in _text(timing["related_pin"]).split():
        sense = _text(timing["timing_sense"]) or "non_unate"
        delay = {e: tables[f"cell_{e}"] for e in ("rise", "fall") if f"cell_{e}" in tables}
        slope = {e: tables[f"{e}_transition"] for e in delay if f"{e}_transition" in tables}
        if kind.startswith("setup"):
            delay = {e: tables[n] for e in ("rise", "fall") if (n := f"{e}_constraint") in tables}
        if delay:
            arcs.append(Arc(source, sense, kind, delay, slope))
    return arcs


def _oriented(name, first, second, rows, time: float, load: float) -> Table:
    """The table with slopes along its rows and loads along its columns."""
    if name.endswith("constraint"):
        axes = [v * time for v in first], [v * time for v in second]
        return Table(tuple(axes[0]), tuple(axes[1]), tuple(map(tuple, rows)))
    # Loads come first where the first axis is the one of capacitances: by far the smaller values.
    if max(first) * load < max(second) * time:
        rows, first, second = [list(r) for r in zip(*rows, strict=True)], second, first
    slopes, loads = tuple(v * time for v in first), tuple(v * load for v in second)
    return Table(slopes, loads, tuple(map(tuple, rows)))


def _scale(top: Any, name: str, default: float, units: dict[str, float]) -> float:
    match = re.fullmatch(r"([\d.]*)\s*(\w+)", _text(top[name]))
    if not match or match[2] not in units:
        return default
    return float(match[1] or 1) * units[match[2]]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip('"').strip()


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])


def _is_nand2(cell: Cell) -> bool:
    return (
        len(cell.inputs) == 2
        and len(cell.outputs) == 1
        and not cell.state
        and truth_table(cell.outputs[0].function, tuple(p.name for p in cell.inputs)) == 0b0111
    )
