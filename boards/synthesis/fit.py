"""The nearest array that fits where one does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...hw.config import Config, ConfigError
from .design import Design, prepare_design
from .errors import FlowError, Shortage
from .flow import Flow
from .resources import count_resources, packed_names
from .throughput import macs_per_cycle
from .yosys import YosysError

__all__ = ["nearest_fit", "smaller_configs"]

#: Of the cells of a device, what place-and-route can be expected to fill.
_ROOM = 0.95


def smaller_configs(config: Config) -> Iterator[Config]:
    """Configurations of the same arithmetic with smaller arrays, the largest first.

    Lanes and tables are halved in turn, the memory port and the buffers with them where they
    have to be; every one is valid.
    """
    shapes = {
        (config.rows, config.lanes >> i, config.tables >> j)
        for i in range(8)
        for j in range(8)
        if config.lanes >> i and config.tables >> j
    } | {
        (1, config.lanes >> i, config.tables >> j)
        for i in range(8)
        for j in range(8)
        if config.lanes >> i and config.tables >> j
    }
    ordered = sorted(
        shapes - {(config.rows, config.lanes, config.tables)},
        # Of equal size, the one nearest the original's proportions of lanes and tables.
        key=lambda s: (-s[0] * s[1] * s[2], abs(s[1] * config.tables - s[2] * config.lanes), -s[1]),
    )
    size = None
    for rows, lanes, tables in ordered:
        if rows * lanes * tables == size:
            continue
        for axi_bits in (512, 256, 128, 64, 32):
            if axi_bits > config.axi_bits:
                continue
            try:
                made = replace(
                    config, rows=rows, lanes=lanes, tables=tables, axi_bits=axi_bits,
                    name=f"{config.name}_{rows}x{lanes}x{tables}",
                )  # fmt: skip
            except ConfigError:
                continue
            size = rows * lanes * tables
            yield made
            break


def nearest_fit(flow: Flow, design: Design, shortages: Sequence[Shortage]) -> str:
    """Text that names the largest smaller array that fits, found by synthesis.

    A smaller array is synthesised, not placed; cells are compared with what place-and-route
    counted for the design that is too large, in proportion.
    """
    family = design.board.family
    names = packed_names(family)
    limits = {
        kind: (shortage.used, shortage.available)
        for shortage in shortages
        for kind, cell in names.items()
        if cell == shortage.kind
    }
    if not limits:
        return ""
    whole = count_resources(family, flow.synthesise(design).cells.cells)
    candidates = list(smaller_configs(design.config))
    best: tuple[Config, dict[str, int]] | None = None
    low, high = 0, len(candidates) - 1
    while low <= high:  # the largest comes first
        middle = (low + high) // 2
        try:
            smaller = prepare_design(design.board, candidates[middle], clock_hz=design.clock_hz)
            counts = count_resources(family, flow.synthesise(smaller).cells.cells)
        except (FlowError, YosysError, ValueError):
            high = middle - 1
            continue
        expected = {
            kind: round(used * counts.get(kind, 0) / max(whole.get(kind, 1), 1))
            for kind, (used, _) in limits.items()
        }
        if all(expected[kind] <= _ROOM * limits[kind][1] for kind in limits):
            best, high = (candidates[middle], expected), middle - 1
        else:
            low = middle + 1
    if best is None:
        return "Not even the smallest array of these widths would fit: the rest alone is too large."
    config, expected = best
    figures = ", ".join(
        f"{count:,} of {limits[kind][1]:,} {names[kind]}" for kind, count in expected.items()
    )
    return (
        f"The nearest smaller array that fits (synthesised, not placed: about {figures}) has "
        f"rows = {config.rows}, lanes = {config.lanes}, tables = {config.tables}, "
        f"axi_bits = {config.axi_bits}: {float(macs_per_cycle(config)):g} MACs a cycle instead of "
        f"{float(macs_per_cycle(design.config)):g}."
    )
