"""The estimate for one configuration: area, delay, leakage, switching energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...gen.config_names import config_hash
from ...hw.config import Config
from ..synthesis.throughput import macs_per_cycle, peak_tops
from ..synthesis.yosys import component_rtlil, yosys_version
from .energy import Energy
from .liberty import LibertyError, read_liberty
from .mapping import map_to_cells
from .netlist import Netlist
from .timing import Timing, analyse_timing
from .whole_array import WholeArray

__all__ = ["AsicEstimate", "asic_estimate"]


@dataclass(frozen=True)
class AsicEstimate:
    """What the array of a configuration takes in the cells of a library.

    `area` is in the library's unit (um2 in most), `gates` in two-input NANDs, `leakage_nw` in nW.
    `energy` is None where it was not asked for.
    """

    config: Config
    library: str
    areas: str
    area: float
    gates: float
    flip_flops: int
    cells: dict[str, int]
    period_ns: float
    timing: Timing
    leakage_nw: float
    energy: Energy | None
    tools: list[str]

    @property
    def timing_met(self) -> bool:
        """Whether the slowest path is within the period."""
        return self.timing.delay_ns <= self.period_ns

    def figures(self) -> list[tuple[str, float, str]]:
        """(name, value, unit); names end with the configuration and the library."""
        macs, planes = float(macs_per_cycle(self.config)), self.config.plane_macs_per_cycle
        widths = f"w{self.config.weight_bits}a{self.config.act_bits}"
        rows = [
            ("area", self.area, "um2"),
            ("gates", self.gates, "NAND2"),
            ("flip_flops", float(self.flip_flops), "1"),
            ("area_per_mac", self.area / macs, "um2"),
            ("area_per_plane_mac", self.area / planes, "um2"),
            ("delay", self.timing.delay_ns, "ns"),
            ("peak", peak_tops(self.config, 1e9 / max(self.timing.delay_ns, 1e-3)),
             f"TOPS {widths}"),
            ("leakage", self.leakage_nw / 1e3, "uW"),
        ]  # fmt: skip
        if self.energy is not None:
            rows += [
                ("energy_per_cycle", self.energy.total_pj, "pJ"),
                ("clock_energy_per_cycle", self.energy.clock_pj, "pJ"),
                ("energy_per_mac", self.energy.total_pj / macs, "pJ"),
            ]
        where = f"{self.config.name}.{self.library}"
        return [(f"asic.{name}.{where}", value, unit) for name, value, unit in rows]

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`."""
        return {
            "config": self.config.name,
            "config_hash": config_hash(self.config),
            "library": self.library,
            "areas": self.areas,
            "cells": self.cells,
            "period_ns": self.period_ns,
            "timing_met": self.timing_met,
            "critical_path": self.timing.path,
            "tools": self.tools,
            "results": [{"name": n, "value": v, "unit": u} for n, v, u in self.figures()],
        }


def asic_estimate(
    config: Config,
    liberty: str | Path,
    *,
    lef: str | Path | None = None,
    period_ns: float = 20.0,
    energy: Callable[[Netlist], Energy] | None = None,
    wire_pf: float = 0.0,
    timeout: float = 3600,
) -> AsicEstimate:
    """Map the whole array (`whole_array.WholeArray`) to cells, and look at the result.

    Parameters
    ----------
    config : Config
    liberty : path
        The library.
    lef : path, optional
        Areas from here instead.
    period_ns : float
        Clock that ABC sizes cells for.
    energy : callable, optional
        Finds the switching energy, by simulation (`host.gate_simulation`).
    wire_pf : float
        Capacitance of a wire, in pF a load, for the delay.
    timeout : float
        Seconds for Yosys.

    Raises
    ------
    LibertyError
        A file is missing, or none of its kind, or lacks cells.
    YosysError
        Synthesis failed.
    """
    if config.device != "generic":
        raise LibertyError(f"device must be 'generic' for standard cells, not {config.device!r}")
    library = read_liberty(liberty, lef)
    rtlil = component_rtlil(WholeArray(config))
    mapped = map_to_cells(rtlil, liberty, library, period_ns=period_ns, timeout=timeout)
    netlist, cells = mapped.netlist, mapped.counts.cells
    return AsicEstimate(
        config=config,
        library=library.name,
        areas=library.areas,
        area=mapped.counts.area,
        gates=mapped.counts.area / library.gate.area,
        flip_flops=sum(n for name, n in cells.items() if library.cells[name].state),
        cells=cells,
        period_ns=period_ns,
        timing=analyse_timing(netlist, wire_pf),
        leakage_nw=sum(library.cells[name].leakage * n for name, n in cells.items()),
        energy=energy(netlist) if energy is not None else None,
        tools=[yosys_version()],
    )
