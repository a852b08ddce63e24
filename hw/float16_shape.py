"""Shape of the float16 arrays, and the tree of adders that both of them end in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .adder_tree import tree_levels
from .config import ConfigError
from .float_adder import add_floats
from .float_format import FLOAT16, FLOAT32, FloatFormat

__all__ = ["Float16Shape", "array_ports", "float_tree", "tree_sum"]


@dataclass(frozen=True, kw_only=True)
class Float16Shape:
    """What a float16 array covers in one cycle: ``rows * lanes * k_block`` MACs.

    Arrays of equal shape do equal work, whether they multiply or look up.

    Parameters
    ----------
    rows, lanes : int
        Activation rows M and output lanes N, 1 to 64 and 1 to 1024.
    tables : int
        Tables of a row, 1 to 256; the multiplying array has ``tables * lookup_group`` products.
    lookup_group : int
        Activations of a table, 2 to 6.
    sum_bits : {16, 32}
        Sums are float16 or float32. Tables are float16 in either case.
    pipeline : int
        Adders between two registers, 0 to 8; 0 registers the result only. If it is not 0,
        products and entries looked up have registers, too.

    Raises
    ------
    TypeError, ConfigError
        A field has the wrong type, or is outside what can be built.
    """

    rows: int = 1
    lanes: int = 16
    tables: int = 8
    lookup_group: int = 4
    sum_bits: int = 16
    pipeline: int = 0

    def __post_init__(self) -> None:
        limits = {
            "rows": (1, 64), "lanes": (1, 1024), "tables": (1, 256), "lookup_group": (2, 6),
            "sum_bits": (16, 32), "pipeline": (0, 8),
        }  # fmt: skip
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), limits[field.name]
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{field.name} must be int, not {value!r}")
            if not low <= value <= high:
                raise ConfigError(f"{field.name} must be from {low} to {high}, not {value!r}")
        if self.sum_bits not in (16, 32):
            raise ConfigError(f"sum_bits must be 16 or 32, not {self.sum_bits!r}")

    @property
    def k_block(self) -> int:
        """Inputs that a cycle covers."""
        return self.tables * self.lookup_group

    @property
    def sums(self) -> FloatFormat:
        """Format of the sums."""
        return FLOAT16 if self.sum_bits == 16 else FLOAT32

    def latency(self, leaves: int) -> int:
        """Cycles through products or lookups, `float_tree` over `leaves`, and the last adder."""
        adders = tree_levels(leaves) + 1
        return 1 + -(-adders // self.pipeline) if self.pipeline else 1


def array_ports(shape: Float16Shape, weights: ShapeLike) -> dict[str, wiring.Member]:
    """Ports that both arrays have; `weights` is the shape of theirs."""
    sums = data.ArrayLayout(shape.sum_bits, shape.rows * shape.lanes)
    return {
        "x": In(stream.Signature(16 * shape.rows * shape.k_block)),
        "built": Out(1),
        "advance": In(1),
        "weights": In(weights),
        "before": In(sums),
        "sums": Out(sums),
    }


def float_tree(
    m: Module, leaves: Sequence[Value], before: Value, shape: Float16Shape, *, name: str
) -> Signal:
    """``before + tree``, registered: neighbours are added level by level, an odd last one passes.

    `before` is taken in the last of ``shape.latency(len(leaves))`` cycles.
    """
    level, fmt = list(leaves), shape.sums
    for depth in range(tree_levels(len(leaves)) + 1):
        if shape.pipeline and depth % shape.pipeline == 0:
            level = [_registered(m, v, name=f"{name}_{depth}_{i}") for i, v in enumerate(level)]
        above = [
            add_floats(m, level[i], level[i + 1], fmt, name=f"{name}_{depth}_{i}")
            for i in range(0, len(level) - 1, 2)
        ]
        if len(level) == 1:
            above = [add_floats(m, before, level[0], fmt, name=f"{name}_last")]
        elif len(level) % 2:
            above.append(level[-1])
        level = above
    return _registered(m, level[0], name=f"{name}_sum")


def tree_sum(leaves: np.ndarray, before: np.ndarray) -> np.ndarray:
    """`float_tree` of NumPy floats ``[..., leaves]`` and ``[...]``, in the type of `before`."""
    level = np.asarray(leaves).astype(before.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        while level.shape[-1] > 1:
            pairs = level.shape[-1] // 2
            added = level[..., 0 : 2 * pairs : 2] + level[..., 1 : 2 * pairs : 2]
            level = np.concatenate([added, level[..., 2 * pairs :]], -1)
        return before + level[..., 0]


def _registered(m: Module, value: Value, *, name: str) -> Signal:
    later = Signal(len(value), name=f"{name}_register", reset_less=True)
    m.d.sync += later.eq(value)
    return later
