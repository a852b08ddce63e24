"""Which points a study measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import log2

from ...hw.config import Config, ConfigError
from .competitors import VARIANTS, variants_of
from .points import SIZES, Point, Sizes, array_config, shapes
from .targets import BOARDS

__all__ = ["WEIGHTS", "device_variants", "headline", "plan"]

#: Widths of weights; 1.58 bits are ternary.
WEIGHTS = ("1", "1.58", "2", "3", "4", "8")

#: Table storage of each target, and the device whose cells tables and adders are made of.
_STORAGE = {
    "ecp5": {"device": "ecp5", "table_storage": "lutram", "table_banks": 1, "table_feed": "stream"},
    "xc7": {"device": "xc7", "table_storage": "lutram", "table_banks": 1, "table_feed": "stream",
            "table_form": "full"},
    "ice40": {},
    "asic": {"table_storage": "cells"},
}  # fmt: skip


def plan(
    targets: Sequence[str],
    elements: Sequence[str],
    weights: Sequence[str],
    acts: Sequence[int],
    macs: int,
    *,
    sizes: Sizes = SIZES,
    variants: Sequence[str] = VARIANTS,
    most: int | None = None,
) -> Iterator[Point]:
    """Points of equal throughput, `macs` whole MACs a cycle each.

    For every element, width and target all shapes of `sizes` (`points.shapes`), each as the target
    has it best: `lut` and `lut3` with the target's own table storage (in standard cells with tables
    quantised to 8 bits as well), elements with `competitors.VARIANTS` in those of `variants`, all
    others as they are.
    `lut3` is there for ternary weights only. With `most`, only so many shapes of each, those whose
    rows are few and whose lanes and K block are alike.
    """
    for target, weight, act_bits, pe in product(targets, weights, acts, elements):
        if target in BOARDS:
            continue  # these have points of their own, see `routed`
        if pe == "lut3" and weight != "1.58":
            continue
        found = sorted(shapes(pe, weight, act_bits, macs, sizes), key=_oddness)
        for config in found[:most]:
            for one in device_variants(config, target):
                existing = variants_of(one)
                chosen = [v for v in existing if v in variants] if len(existing) > 1 else existing
                yield from (Point(target, one, weight, variant) for variant in chosen)


def _oddness(config: Config) -> tuple[float, int]:
    """How far a shape is from a single row of a square."""
    return abs(log2(config.lanes / config.k_block)) + log2(config.rows), config.lookup_group


def device_variants(config: Config, target: str) -> Iterator[Config]:
    """A configuration as a target has it: table storage, device cells, quantised tables."""
    if config.pe not in ("lut", "lut3"):
        yield config
        return
    family = target.partition("_")[0]
    for bits in (0, 8) if family == "asic" and config.pe == "lut" else (0,):
        fields = dict(_STORAGE[family])
        if bits and bits >= config.entry_bits:
            continue
        try:
            yield replace(config, table_bits=bits, **fields)
        except ConfigError:  # this shape does not fit that storage
            continue


def headline() -> list[Point]:
    """The points behind the study's named figures: the best shapes known, at equal throughput.

    FPGA families: the array alone, with DSP blocks for the zero point's multiplier. Standard cells:
    2,048 MACs a cycle (512 for the published shape), lanes and K block so that what is paid for an
    input and what is paid for a lane weigh about the same.
    """
    fpga = {"table_storage": "lutram", "table_banks": 1, "table_feed": "stream",
            "tree_pipeline": 1, "axi_bits": 64}  # fmt: skip
    ecp5 = {**fpga, "device": "ecp5", "lanes": 16, "rows": 2}
    # Three entries of 10 bits are two block RAMs, each serving two lanes.
    block = {**ecp5, "table_storage": "bram", "rows": 3, "tables": 8}
    xc7 = {**fpga, "device": "xc7", "lanes": 16, "table_form": "full"}
    points = [
        Point("ecp5", array_config("lut", "2", 8, **ecp5, tables=24, lookup_group=5), "2"),
        Point("ecp5", array_config("lut3", "1.58", 8, **ecp5, tables=48), "1.58"),
        Point("ecp5", array_config("lut3", "1.58", 8, **block), "1.58"),
        Point("xc7", array_config("lut", "2", 8, **xc7, rows=3, tables=24, lookup_group=5), "2"),
        Point("xc7", array_config("lut3", "1.58", 8, **xc7, rows=2, tables=48), "1.58"),
    ]
    points += [_cells(1, "lut", lanes=48, tables=14, group=3)]
    points += [_cells(1, "mac", "lean", lanes=48, tables=43), _cells(1, "add", lanes=32, tables=64)]
    points += [
        _cells(2, "lut", lanes=48, tables=28, group=3),
        _cells(4, "lut", lanes=64, tables=43, group=3),
    ]
    for weight in (2, 4):
        points += [
            _cells(weight, "shiftadd", "lean", lanes=48, tables=43),
            _cells(weight, "mac", "booth", lanes=32, tables=64),
        ]
    points += [
        _cells(1, "lut", lanes=32, tables=8, group=2),
        _cells(1, "lut", rows=2, lanes=64, tables=1, group=4),
        _cells(1, "lut", lanes=48, tables=14, group=3, table_bits=8),
        _cells(2, "lut", lanes=48, tables=28, group=3, table_bits=8),
    ]
    return points


def _cells(weight: int, pe: str, variant: str = "", *, group: int = 1, **fields: int) -> Point:
    storage = {"table_storage": "cells"} if pe == "lut" else {}
    config = array_config(pe, str(weight), 8, lookup_group=group, **storage, **fields)
    return Point("asic", config, str(weight), variant)
