"""Points of the study: one configuration of one element on one target, at a given throughput."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...gen.config_names import canonical_toml
from ...hw.config import Config
from ..synthesis.throughput import planes_per_weight

__all__ = ["ELEMENTS", "SIZES", "Point", "Sizes", "array_config", "same_rate", "shapes"]

#: Elements that the study compares, and what they are there called.
ELEMENTS = {
    "lut": "lookup",
    "lut3": "native ternary lookup",
    "add": "adder",
    "bitserial": "bit-serial",
    "shiftadd": "shift-add",
    "mac": "multiplier",
}


@dataclass(frozen=True)
class Point:
    """What to measure.

    Attributes
    ----------
    target : str
        See `targets.TARGETS`.
    config : Config
    weight : str
        ``"1"``, ``"1.58"``, ``"2"``, ...: on which line of the study it lies.
    variant : str
        Of an element that has some, see `competitors.VARIANTS`.
    seed : int
        Of place and route, where the target has any.
    memory : str
        Of the target, a board; its first where empty.
    clock_mhz : float
        That a board is routed for; its own where 0.
    """

    target: str
    config: Config
    weight: str
    variant: str = ""
    seed: int = 1
    memory: str = ""
    clock_mhz: float = 0.0

    @property
    def text(self) -> str:
        """Everything that distinguishes points, as text."""
        routed = ""
        if self.memory or self.clock_mhz:
            routed = f"memory = {self.memory}\nclock_mhz = {self.clock_mhz:g}\n"
        return (
            f"target = {self.target}\nweight = {self.weight}\nvariant = {self.variant}\n"
            f"seed = {self.seed}\n{routed}{canonical_toml(self.config)}"
        )


def array_config(pe: str, weight: str, act_bits: int, **fields: Any) -> Config:
    """Configuration of an array built for one width of weights, and no wider.

    Integers of `weight` bits, or ternary weights (``"1.58"``): one trit on `lut3`, two planes or a
    two-bit digit on other elements. `fields` give the shape and whatever else differs.

    The zero point is one for the whole matrix and there is no group scale (``group_zeros = 0``,
    ``scale_bits = 0``) unless `fields` say otherwise: a multiplier an output costs every element
    the same, and hides what they differ in.
    """
    bits = (1 if pe == "lut3" else 2) if weight == "1.58" else int(weight)
    basic: Mapping[str, Any] = {
        "pe": pe,
        "weight_bits": bits,
        "max_weight_bits": bits,
        "act_bits": act_bits,
        "scale_bits": 0,
        "group_zeros": 0,
        "psum_bits": 64,
        "axi_bits": 32,
        "max_shift": 1,
    }
    if pe == "lut3":
        basic = {**basic, "lookup_group": 3}
    elif pe != "lut":
        basic = {**basic, "lookup_group": 1}
    config = Config(**{**basic, **fields})
    shape = f"m{config.rows}n{config.lanes}u{config.tables}l{config.lookup_group}"
    return replace(config, name=f"{pe}_w{weight}a{act_bits}_{shape}")


def same_rate(macs: float, wanted: float) -> bool:
    """Whether arrays of so many MACs a cycle may be compared: within 4 % of `wanted`."""
    return abs(macs / wanted - 1) < 0.04


@dataclass(frozen=True)
class Sizes:
    """Sizes that shapes are made of: M, N, and for lookups L; the K block is what is left."""

    rows: tuple[int, ...] = (1, 2, 4)
    lanes: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    groups: tuple[int, ...] = (2, 3, 4, 5)


#: What a study tries unless it is told otherwise.
SIZES = Sizes()


def shapes(
    pe: str, weight: str, act_bits: int, macs: int, sizes: Sizes = SIZES
) -> Iterator[Config]:
    """All shapes of an element that do `macs` whole MACs a cycle, within what `same_rate` allows.

    Of `sizes`, and of those only what a configuration allows; the K block is cut into lookup groups
    for `lut` and into trits of three for `lut3`.
    """
    for group in sizes.groups if pe == "lut" else (3,) if pe == "lut3" else (1,):
        bits = {} if pe in ("lut3",) else {"lookup_group": group}
        for rows in sizes.rows:
            for lanes in sizes.lanes:
                probe = array_config(pe, weight, act_bits, rows=rows, lanes=lanes, tables=8, **bits)
                wanted = macs * planes_per_weight(probe) / (rows * lanes * group)
                tables = round(wanted)
                if 1 <= tables <= 256 and same_rate(tables, wanted):
                    try:
                        yield array_config(
                            pe, weight, act_bits, rows=rows, lanes=lanes, tables=tables, **bits
                        )
                    except ValueError:  # wider than partial sums may be
                        continue
