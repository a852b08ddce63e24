"""What nextpnr says while it works, and the report that it writes at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Shortage

__all__ = ["Hop", "PnrReport", "PnrWatch", "read_pnr_report"]

_UTILISATION = re.compile(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%")
_ARCS = re.compile(r"Info:\s+Routing (\d+) arcs")
_LEFT = re.compile(r"Info:\s+\d+ \|[^|]*\|[^|]*\|\s+(\d+)\|")
_PHASES = (
    ("Info: Packing ", "packing"),
    ("Info: Creating initial", "placing"),
    ("Info: Running main analytical placer", "placing"),
    ("Info: Running simulated annealing", "refining the placement"),
    ("Info: Routing..", "routing"),
    ("Info: Running router2", "routing"),
    ("Info: Critical path report", "timing"),
)


class PnrWatch:
    """Follows the lines of a run.

    Attributes
    ----------
    phase : str
        What it is doing, for people.
    utilisation : dict of str to (int, int)
        Used and available cells by type, after packing.
    """

    def __init__(self) -> None:
        self.phase = "starting"
        self.utilisation: dict[str, tuple[int, int]] = {}
        self._counting = False
        self._arcs = 0

    def line(self, text: str) -> str:
        """Take one line; returns the phase."""
        if text.startswith("Preparing to run"):
            self.phase = "compiling the tool (once)"
        for start, phase in _PHASES:
            if text.startswith(start):
                self.phase = phase
        if text.startswith("Info: Device utilisation"):
            self._counting = True
        elif self._counting and (found := _UTILISATION.match(text)):
            self.utilisation[found[1]] = (int(found[2]), int(found[3]))
        elif self._counting and self.utilisation:
            self._counting = False
        if found := _ARCS.match(text):
            self._arcs = int(found[1])
        elif self._arcs and (found := _LEFT.match(text)):
            self.phase = f"routing, {max(0, 100 - 100 * int(found[1]) // self._arcs)} %"
        return self.phase

    @property
    def shortages(self) -> list[Shortage]:
        """Cells of which there are too few; empty while nothing is known."""
        return [
            Shortage(kind, used, available)
            for kind, (used, available) in self.utilisation.items()
            if used > available
        ]


@dataclass(frozen=True)
class Hop:
    """One step of a path: a delay in nanoseconds, through logic or along a net.

    `name` is that of the wire or component in the design, as far as it kept one.
    """

    kind: str
    delay: float
    name: str


@dataclass(frozen=True)
class PnrReport:
    """What a routed design reaches.

    Attributes
    ----------
    clocks : dict of str to (float, float)
        Achieved and wanted frequency in MHz, by the clock's name in the design.
    utilisation : dict of str to (int, int)
    critical_path : list of Hop
        Of the slowest clock.
    """

    clocks: dict[str, tuple[float, float]]
    utilisation: dict[str, tuple[int, int]]
    critical_path: list[Hop]

    @property
    def slowest(self) -> str:
        """The clock that misses its frequency by most, or keeps it by least."""
        return min(self.clocks, key=lambda name: self.clocks[name][0] / self.clocks[name][1])

    @property
    def met(self) -> bool:
        """Every clock reaches its frequency."""
        return all(achieved >= wanted for achieved, wanted in self.clocks.values())


def read_pnr_report(path: Path) -> PnrReport:
    """The file that nextpnr wrote by ``--report``."""
    report = json.loads(path.read_text())
    clocks = {
        _clock_name(name): (clock["achieved"], clock["constraint"])
        for name, clock in report["fmax"].items()
    }
    found = PnrReport(
        clocks,
        {kind: (use["used"], use["available"]) for kind, use in report["utilization"].items()},
        [],
    )
    if clocks:
        found.critical_path.extend(_critical_path(report["critical_paths"], found.slowest))
    return found


def _critical_path(paths: Sequence[Mapping[str, Any]], clock: str) -> list[Hop]:
    for path in paths:
        ends = {_clock_name(path[end].partition(" ")[2]) for end in ("from", "to")}
        if ends == {clock}:
            return [_hop(step) for step in path["path"]]
    return []


def _hop(step: Mapping[str, Any]) -> Hop:
    name = step.get("net") or step["to"]["cell"]
    return Hop(step["type"], float(step["delay"]), source_name(name))


def source_name(name: str) -> str:
    """The part of a mapped name that comes of the design.

    Yosys calls a cell without a name after a wire beside it and its own type and port:
    ``core.fetch.left_LUT4_Z_1`` is near ``core.fetch.left``.
    """
    cut = re.search(
        r"_(LUT[1-6]|PFUMX|L6MUX21|CCU2C|TRELLIS_\w+?|MULT18X18D|DP16KD|PDPW16KD|SB_\w+?|DFF\w*?|"
        r"ALU|MUX2_\w+?|D[IO][AB]?\d+|DO|CARRY4)(_|\[|$)",
        name,
    )
    return (name[: cut.start()] if cut else name).removesuffix(".0.0")


def _clock_name(name: str) -> str:
    return name.removeprefix("$glbnet$")
