"""What the study says: its named figures, each with the records that it follows from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...hw.config import Config
from .points import Point, same_rate
from .targets import StudyError

__all__ = [
    "FIGURES",
    "NamedFigure",
    "best",
    "check_name",
    "figure_names",
    "named_figures",
    "point_of",
]

Record = dict[str, Any]

#: Elements that multiply.
_MULTIPLIERS = ("mac", "shiftadd")


@dataclass(frozen=True)
class NamedFigure:
    """One figure; `records` are what it was computed from, `how` says in what way."""

    name: str
    value: float
    unit: str
    how: str
    records: list[Record]


#: Names, units, and what they mean. Each is a function of the records.
FIGURES: dict[str, tuple[str, str]] = {
    "density.ecp5.lut4_per_plane_mac.a8": (
        "LUT4", "lookup array, all kinds of LUT4 over one-bit MACs a cycle"),
    "density.ecp5.lut4_per_ternary_mac.a8": (
        "LUT4", "native ternary lookup array, tables in distributed RAM, LUT4 over ternary MACs"),
    "density.ecp5.lut4_per_ternary_mac_bram.a8": (
        "LUT4", "the same with tables in block RAM, which counts as no LUT: see block_ram"),
    "density.xc7.lut_per_plane_mac.a8": ("LUT", "the same on 7-series"),
    "density.xc7.lut_per_ternary_mac.a8": ("LUT", "the same on 7-series"),
    "density.ulx3s_85f.tops.w2a8": (
        "TOPS w2a8", "routed board, lookup array, peak at the board's clock, timing met"),
    "density.ulx3s_85f.ratio_to_dsp.w2a8": (
        "1", "lookup array over the best multiplier array, both routed, at the clocks reached"),
    "density.asic.ratio_to_mac.w1a8": (
        "1", "area of the best lookup array over that of the best multiplier array"),
    "density.asic.ratio_to_mac.w2a8": ("1", "the same"),
    "density.asic.ratio_to_mac.w4a8": ("1", "the same"),
    "density.asic.ratio_to_booth.w2a8": (
        "1", "over the best array of hand-made Booth multipliers with deferred carries"),
    "density.asic.ratio_to_booth.w4a8": ("1", "the same"),
    "density.asic.ratio_to_add.w1a8": ("1", "over the best array of selected adders"),
    "density.asic.ratio_to_add.w2a8": ("1", "the same"),
    "density.asic.ratio_to_add.w4a8": ("1", "the same"),
    "density.asic.q8_ratio_to_mac.w1a8": (
        "1", "with tables quantised to 8 bits, which rounds, over the best multiplier array"),
    "density.asic.q8_ratio_to_mac.w2a8": ("1", "the same"),
    "density.asic.q8_ratio_to_mac.w4a8": ("1", "the same"),
    "density.asic.published_shape_ratio.w1a8": (
        "1", "area of M2 N64 U1 L4 over that of the best lookup array"),
}  # fmt: skip


def figure_names() -> list[str]:
    """All names, recorded or not."""
    return list(FIGURES)


def best(records: Iterable[Record], by: str = "area_per_mac", **where: Any) -> Record | None:
    """The record of least `by` among those whose fields have, or are among, the given values."""
    found = [
        record
        for record in records
        if all(
            record.get(field) in value if isinstance(value, tuple) else record.get(field) == value
            for field, value in where.items()
        )
    ]
    return min(found, key=lambda record: record[by], default=None)


def named_figures(records: Sequence[Record]) -> list[NamedFigure]:
    """Every figure of `FIGURES` that the records suffice for."""
    figures = []
    for name in FIGURES:
        found = _compute(name, records)
        if found is not None:
            value, used = found
            unit, how = FIGURES[name]
            figures.append(NamedFigure(name, value, unit, how, used))
    return figures


def point_of(record: Record) -> Point:
    """The point that a record was measured at."""
    return Point(
        record["target"],
        Config(**record["config"]),
        record["weight"],
        record.get("variant", ""),
        record.get("seed", 1),
        record.get("memory", ""),
        record.get("clock_wanted_mhz", 0.0),
    )


def _compute(name: str, records: Sequence[Record]) -> tuple[float, list[Record]] | None:
    _, target, what, *rest = name.split(".")
    if what.startswith("lut"):
        plane = "plane" in what
        element, by = ("lut", "area_per_plane_mac") if plane else ("lut3", "area_per_mac")
        storage = "bram" if "bram" in what else "lutram"
        mine = [r for r in records if r["config"]["table_storage"] == storage]
        chosen = best(mine, by, target=target, element=element, act_bits=8)
        return (chosen[by], [chosen]) if chosen else None
    weight = rest[0].removeprefix("w").removesuffix("a8")
    if target == "ulx3s_85f":
        return _routed(
            what, [r for r in records if r["target"] == target and r["weight"] == weight]
        )
    mine = [r for r in records if r["target"] == "asic" and r["act_bits"] == 8]
    return _ratio(what, [r for r in mine if r["weight"] == weight])


def _routed(what: str, records: Sequence[Record]) -> tuple[float, list[Record]] | None:
    met = [r for r in records if r["timing_met"]]
    lookups = [r for r in met if r["element"] == "lut"]
    multipliers = [r for r in met if r["element"] in _MULTIPLIERS]
    if not lookups:
        return None
    if what == "tops":
        lookup = max(lookups, key=lambda r: r["tops_at_clock"])
        return lookup["tops_at_clock"], [lookup]
    if not multipliers:
        return None
    # The clock asked for is a choice; two choices would decide the ratio.
    both = [max(one, key=lambda r: r["tops_at_fmax"]) for one in (lookups, multipliers)]
    return both[0]["tops_at_fmax"] / both[1]["tops_at_fmax"], both


def _ratio(what: str, records: Sequence[Record]) -> tuple[float, list[Record]] | None:
    """At the highest throughput at which both have been measured, within four percent."""
    quantised = what.startswith("q8")
    lookups = [
        r for r in records
        if r["element"] == "lut" and r["config"]["table_bits"] == (8 if quantised else 0)
    ]  # fmt: skip
    ours = lookups
    if what == "published_shape_ratio":
        ours = [r for r in records if r["element"] == "lut" and r["shape"] == [2, 64, 1, 4]]
        others = lookups
    elif what.endswith("to_add"):
        others = [r for r in records if r["element"] == "add"]
    else:
        booth = what.endswith("to_booth")
        others = [
            r
            for r in records
            if r["element"] in _MULTIPLIERS and (r["variant"] == "booth") == booth
        ]
    rates = sorted({r["macs_per_cycle"] for r in others}, reverse=True)
    for rate in rates:
        near = [r for r in ours if same_rate(r["macs_per_cycle"], rate)]
        at_rate = [r for r in others if same_rate(r["macs_per_cycle"], rate)]
        if near:
            mine, other = best(near), best(at_rate)
            assert mine is not None
            assert other is not None
            return mine["area_per_mac"] / other["area_per_mac"], [mine, other]
    return None


def check_name(name: str) -> str:
    """`name`, if it is one of a figure.

    Raises
    ------
    StudyError
        It is none; the text lists them.
    """
    if name not in FIGURES:
        raise StudyError(f"--rerun must name one of {', '.join(FIGURES)}, not {name!r}")
    return name
