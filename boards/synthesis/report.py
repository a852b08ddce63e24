"""What a build came to: one object for programs, one page for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...gen.config_names import config_hash
from ...hw.config import Config
from .design import Design
from .pnr_log import Hop
from .resources import AVAILABLE_XC7, KINDS, count_resources, packed_resources
from .steps import Placed, Synthesised
from .throughput import macs_per_cycle, peak_tops

__all__ = ["Report", "make_report", "report_text"]

_TITLES = {
    "luts": "LUTs, all kinds",
    "flip_flops": "flip-flops",
    "carry": "carry cells",
    "lut_ram": "distributed RAM",
    "block_ram": "block RAM",
    "dsp": "DSP",
    "large_ram": "single-port RAM",
}

#: What the packed device calls them where that is not the same thing.
_PACKED_TITLES = {
    "ecp5": {"luts": "LUT4 sites", "lut_ram": "write ports of distributed RAM"},
    "ice40": {"luts": "logic cells"},
    "gowin": {"luts": "LUT4", "carry": "ALU"},
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of one design.

    Attributes
    ----------
    design : Design
    mapped : dict of str to int
        Resources after synthesis, by kind (`resources.KINDS`).
    device : dict of str to (int, int)
        Used and available after packing.
    fmax_mhz : float, optional
        None without place-and-route.
    timing_met : bool
    critical_path : list of Hop
    seed : int, optional
    seeds : dict of int to float
        Clock reached with each seed, in MHz.
    tools : list of str
    seconds : dict of str to float
        What synthesis and place-and-route took when they were computed.
    components : dict of str to dict of str to int
    """

    design: Design
    mapped: dict[str, int]
    device: dict[str, tuple[int, int]]
    fmax_mhz: float | None
    timing_met: bool
    critical_path: list[Hop]
    seed: int | None
    seeds: dict[int, float]
    tools: list[str]
    seconds: dict[str, float]
    components: dict[str, dict[str, int]] = field(repr=False)

    @property
    def widths(self) -> str:
        """Of weights and activations, such as ``"w2a8"``."""
        return _widths(self.design.config)

    @property
    def clock_mhz(self) -> float:
        """What the board runs at."""
        return self.design.clock_hz / 1e6

    def figures(self) -> list[tuple[str, float, str]]:
        """(name, value, unit) of every figure; names end with ``configuration.board``."""
        config = self.design.config
        macs, planes = macs_per_cycle(config), config.plane_macs_per_cycle
        luts = self.mapped.get("luts", 0)
        rows = [(kind, float(self.mapped.get(kind, 0)), "1") for kind in KINDS]
        rows.append(("clock", self.clock_mhz, "MHz"))
        if self.fmax_mhz is not None:
            rows += [
                ("fmax", self.fmax_mhz, "MHz"),
                ("peak_at_fmax", peak_tops(config, self.fmax_mhz * 1e6), f"TOPS {self.widths}"),
            ]
        rows += [
            ("peak_at_clock", peak_tops(config, self.design.clock_hz), f"TOPS {self.widths}"),
            ("luts_per_mac", float(luts / macs), "1"),
            ("luts_per_plane_mac", luts / planes, "1"),
        ]
        where = f"{config.name}.{self.design.board.name}"
        return [(f"synth.{name}.{where}", value, unit) for name, value, unit in rows]

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`."""
        design, config = self.design, self.design.config
        return {
            "config": config.name,
            "config_hash": config_hash(config),
            "widths": self.widths,
            "board": design.board.name,
            "device": design.device,
            "memory": design.memory,
            "timing_met": self.timing_met,
            "seed": self.seed,
            "seeds": {str(seed): fmax for seed, fmax in self.seeds.items()},
            "tools": self.tools,
            "seconds": self.seconds,
            "results": [
                {"name": name, "value": value, "unit": unit} for name, value, unit in self.figures()
            ],
            "mapped": self.mapped,
            "packed": {
                kind: {"used": used, "available": available}
                for kind, (used, available) in self.device.items()
            },
            "critical_path": [
                {"type": hop.kind, "delay_ns": round(hop.delay, 3), "name": hop.name}
                for hop in self.critical_path
            ],
            "components": self.components,
        }


def make_report(design: Design, synthesised: Synthesised, placed: list[Placed]) -> Report:
    """Of the best seed: the one that meets its clocks by most; without `placed`, of the netlist."""
    family = design.board.family
    mapped = count_resources(family, synthesised.cells.cells)
    common = {
        "design": design,
        "mapped": mapped,
        "components": synthesised.components,
    }
    if not placed:
        available = AVAILABLE_XC7.get(design.device.split("csg")[0], {})
        return Report(
            **common, device={k: (mapped.get(k, 0), n) for k, n in available.items()},
            fmax_mhz=None, timing_met=True, critical_path=[], seed=None, seeds={},
            tools=[synthesised.version], seconds={"synthesis": synthesised.seconds},
        )  # fmt: skip
    best = best_of(placed)
    return Report(
        **common,
        device=packed_resources(family, best.report.utilisation),
        fmax_mhz=best.report.clocks[best.report.slowest][0],
        timing_met=best.report.met,
        critical_path=best.report.critical_path,
        seed=best.seed,
        seeds={p.seed: round(p.report.clocks[p.report.slowest][0], 2) for p in placed},
        tools=[synthesised.version, *best.versions],
        seconds={"synthesis": synthesised.seconds, "place_and_route": best.seconds},
    )


def best_of(placed: list[Placed]) -> Placed:
    """The run whose slowest clock has most room; of equal ones the first."""

    def room(run: Placed) -> float:
        achieved, wanted = run.report.clocks[run.report.slowest]
        return achieved / wanted

    return max(placed, key=room)


def report_text(report: Report) -> str:
    """The same for people."""
    design = report.design
    config, family = design.config, design.board.family
    lines = [
        f"{config.name} on {design.board.title} ({design.device})",
        f"memory: {design.memory}",
        f"array: {config.pe}, {config.rows} rows, {config.lanes} lanes, {config.tables} tables of "
        f"{config.lookup_group}; {config.plane_macs_per_cycle} plane-MACs a cycle",
        "",
        "after synthesis",
    ]
    lines += [f"  {_TITLES[k]:<34}{n:>10,}" for k, n in report.mapped.items()]
    if report.device:
        lines += ["", "of the device"]
        for kind, (used, available) in report.device.items():
            title = _PACKED_TITLES.get(family, {}).get(kind, _TITLES[kind])
            share = 100 * used / available
            lines.append(f"  {title:<34}{used:>10,} of {available:>8,}  {share:5.1f} %")
    lines += ["", "figures"]
    for name, value, unit in report.figures()[len(KINDS) :]:
        short = name.split(".")[1].replace("_", " ")
        lines.append(f"  {short:<34}{value:>10.4g} {'' if unit == '1' else unit}".rstrip())
    if report.fmax_mhz is not None:
        verdict = "met" if report.timing_met else "MISSED"
        lines.append(f"  timing at {report.clock_mhz:g} MHz {verdict}, seed {report.seed}")
        lines += ["", "critical path"]
        lines += _path_lines(report.critical_path)
    lines += ["", "components with most LUTs, those below them included"]
    top = sorted(report.components.items(), key=lambda item: -item[1].get("luts", 0))[:24]
    for scope, counts in top:
        figures = ", ".join(f"{n:,} {_TITLES[k]}" for k, n in counts.items() if k != "carry")
        lines.append(f"  {scope or '(all)':<40} {figures}")
    lines += ["", f"tools: {', '.join(report.tools)}", ""]
    return "\n".join(lines)


def _path_lines(path: list[Hop]) -> list[str]:
    """Successive hops of one name are one line: what it costs there, and the sum so far."""
    merged: list[tuple[str, float]] = []
    for hop in path:
        if merged and merged[-1][0] == hop.name:
            merged[-1] = (hop.name, merged[-1][1] + hop.delay)
        else:
            merged.append((hop.name, hop.delay))
    lines, total = [], 0.0
    for name, delay in merged:
        total += delay
        lines.append(f"  {delay:7.2f} ns {total:7.2f} ns  {name}")
    return lines


def _widths(config: Config) -> str:
    weights = "1p58" if config.pe == "lut3" else str(config.weight_bits)
    return f"w{weights}a{config.act_bits}"
