"""The study's figures: area against weight bits, Pareto fronts, where lookups stop winning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...hw.config import Config
from .plan import WEIGHTS
from .points import ELEMENTS, same_rate
from .study import best
from .targets import StudyError

__all__ = ["draw_figures", "pareto"]

Record = dict[str, Any]

_UNITS = {"asic": "um2", "ice40": "LUT4", "ecp5": "LUT4", "xc7": "LUT"}
_COLOURS = dict(zip(ELEMENTS, ("C0", "C1", "C2", "C4", "C5", "C3"), strict=True))
_BITS = {weight: 2**0.5 if weight == "1.58" else float(weight) for weight in WEIGHTS}


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of the points (cost, gain) that no other one beats in both, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, gain in sorted(points, key=lambda p: (p[0], -p[1])):
        if not front or gain > front[-1][1]:
            front.append((cost, gain))
    return front


def draw_figures(records: Sequence[Record], folder: str | Path) -> list[Path]:
    """Write one SVG a target and width of activations, where there are records; return the paths.

    Left, area a MAC of each element's best shape against the bits of a weight. Right, all shapes of
    all widths: area of the whole array against MACs a cycle, with the Pareto front of each element.
    One more, ``density-tables.svg``, where arrays differ in the width of table entries only.

    Raises
    ------
    StudyError
        matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise StudyError("matplotlib is missing: install lutra[density]") from None
    # Same bytes for the same records.
    mpl.rcParams["svg.hashsalt"] = "lutra"
    paths = []
    for target, unit in _UNITS.items():
        for act_bits in (8, 16):
            families = {target, f"{target}_nodsp"}
            mine = [
                r
                for r in records
                if r["target"] in families
                and r["act_bits"] == act_bits
                and not r["config"]["table_bits"]
                and not r.get("dsp")
            ]
            if not mine:
                continue
            figure = Figure(figsize=(10, 4), layout="constrained")
            left, right = figure.subplots(1, 2)
            _against_bits(left, mine, unit)
            _fronts(right, mine, unit)
            figure.suptitle(f"{target}, {act_bits}-bit activations, whole arrays")
            path = Path(folder) / f"density-{target}-a{act_bits}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, metadata={"Date": None})
            paths.append(path)
    return paths + _table_widths(records, Path(folder))


def _table_widths(records: Sequence[Record], folder: Path) -> list[Path]:
    """Area against the width of quantised entries, of arrays with three widths or more."""
    from matplotlib.figure import Figure

    lines: dict[str, dict[int, float]] = {}
    for r in records:
        if r["element"] == "lut":
            c = Config(**r["config"])
            shape = " x ".join(map(str, r["shape"]))
            name = f"{r['target']}, w{r['weight']}a{c.act_bits}, {shape}"
            lines.setdefault(name, {})[c.stored_entry_bits] = r["area_per_mac"]
    lines = {name: line for name, line in lines.items() if len(line) > 2}
    if not lines:
        return []
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name, line in sorted(lines.items()):
        widths = sorted(line)
        whole = line[widths[-1]]
        axes.plot(widths, [line[w] / whole for w in widths], "o-", label=name)
    axes.set(xlabel="bits of a table entry, the widest exact", ylabel="area, exact tables = 1")
    axes.set_ylim(0, 1.2)
    axes.set_xticks(sorted({width for line in lines.values() for width in line}))
    axes.legend(fontsize=7, loc="lower right")
    path = folder / "density-tables.svg"
    figure.savefig(path, metadata={"Date": None})
    return [path]


def _against_bits(axes: Any, records: Sequence[Record], unit: str) -> None:
    """At the throughput that most records have."""
    rates = [r["macs_per_cycle"] for r in records]
    rate = max(rates, key=lambda value: (sum(same_rate(r, value) for r in rates), value))
    near = [r for r in records if same_rate(r["macs_per_cycle"], rate)]
    costs: dict[str, dict[str, float]] = {}
    for element in ELEMENTS:
        found = {w: best(near, element=element, weight=w) for w in WEIGHTS}
        line = {w: r["area_per_mac"] for w, r in found.items() if r is not None}
        costs[element] = line
        if line:
            axes.plot(
                [_BITS[w] for w in line], list(line.values()), "o-",
                color=_COLOURS[element], label=ELEMENTS[element],
            )  # fmt: skip
    others = [line for element, line in costs.items() if element not in ("lut", "lut3")]
    for weight in WEIGHTS:
        rivals = [line[weight] for line in others if weight in line]
        if weight in costs["lut"] and rivals and min(rivals) < costs["lut"][weight]:
            axes.axvline(_BITS[weight], color="grey", ls=":", lw=1)
            axes.text(_BITS[weight], axes.get_ylim()[1], " lookups no longer smallest",
                      rotation=90, va="top", fontsize=7, color="grey")  # fmt: skip
            break
    axes.set(xscale="log", yscale="log", xlabel="bits of a weight", ylabel=f"{unit} a MAC")
    axes.set_xticks([_BITS[w] for w in WEIGHTS], WEIGHTS)
    axes.minorticks_off()
    axes.set_title(f"best shapes at about {rate:g} MACs a cycle", fontsize=9)
    axes.legend(fontsize=7)


def _fronts(axes: Any, records: Sequence[Record], unit: str) -> None:
    from matplotlib.ticker import LogLocator

    def total(record: Record) -> float:
        return record["area_per_mac"] * record["macs_per_cycle"]

    for element in ELEMENTS:
        places = [
            (total(r), r["macs_per_cycle"] * _BITS[r["weight"]])
            for r in records
            if r["element"] == element
        ]
        if not places:
            continue
        axes.plot(*zip(*places, strict=True), ".", ms=3, alpha=0.5, color=_COLOURS[element])
        axes.plot(*zip(*pareto(places), strict=True), "-", lw=1, color=_COLOURS[element])
    axes.set(xscale="log", yscale="log", xlabel=f"{unit}, whole array")
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))  # all nine would run into each other
    axes.set_ylabel("weight bits times activations a cycle")
    axes.set_title("all shapes, and Pareto fronts", fontsize=9)
