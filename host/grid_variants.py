"""What `lutra grid` runs: every format on small instances of every processing element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..hw.config import Config
from .activation_formats import BIPOLAR
from .formats.registry import WEIGHTS
from .formats.support import reason_against

__all__ = ["VARIANTS", "GridCombination", "Variant", "combinations", "representative"]

_INTEGERS = ("int4", "int8", "uint8", *BIPOLAR)
_BLOCK_SCALED = ("e4m3", "e5m2", "bf16", "fp16")
_DEPTHS: dict[str, Any] = {"act_depth": 64, "weight_depth": 64, "scale_depth": 64, "psum_depth": 64}
_SHAPES: dict[str, dict[str, Any]] = {
    "lut": {"lanes": 4, "tables": 2, "lookup_group": 4},
    "lut3": {"lanes": 5, "tables": 3, "lookup_group": 3},
    "bitserial": {"lanes": 4, "tables": 2, "lookup_group": 4},
    "add": {"lanes": 4, "tables": 2, "lookup_group": 4},
    "mac": {"lanes": 4, "tables": 2, "lookup_group": 2, "weight_bits": 2},
    "shiftadd": {"lanes": 4, "tables": 1, "lookup_group": 3, "weight_bits": 4},
}


@dataclass(frozen=True)
class Variant:
    """One compiled model of the grid, and the activation formats it is for."""

    config: Config
    activations: tuple[str, ...]


def _variant(name: str, pe: str, activations: tuple[str, ...], **fields: Any) -> Variant:
    config = Config(
        name=f"grid-{name}", pe=pe, max_shift=7, psum_bits=64, axi_bits=32,
        **{**_SHAPES[pe], **_DEPTHS, **fields},
    )  # fmt: skip
    return Variant(config, activations)


def _variants() -> dict[str, Variant]:
    variants = {}
    for pe in _SHAPES:
        variants[pe] = _variant(pe, pe, _INTEGERS)
        # Two rows, so that each has exponents of its own.
        variants[f"{pe}-x"] = _variant(
            f"{pe}-x", pe, ("int16", *_BLOCK_SCALED), act_bits=16, act_exponent_bits=4, rows=2
        )
    variants["bitserial-xnor"] = _variant("bitserial-xnor", "bitserial", _INTEGERS, popcount="xnor")
    # Quantised tables: entries of 8 bits, and with block exponents of 6.
    for pe in ("lut", "lut3"):
        variants[f"{pe}-q8"] = _variant(f"{pe}-q8", pe, ("int8", "uint8"), table_bits=8)
    variants["lut-q6x"] = _variant(
        "lut-q6x", "lut", _BLOCK_SCALED, table_bits=6, act_exponent_bits=3
    )
    return variants


#: Variants by name: the element; `-x` with exponents and wide activations, `-q` quantised.
VARIANTS: dict[str, Variant] = _variants()


@dataclass(frozen=True, order=True)
class GridCombination:
    """A variant, a weight format and an activation format by their names."""

    variant: str
    weights: str
    activations: str

    def __str__(self) -> str:
        return f"{self.variant}.{self.weights}.{self.activations}"

    @property
    def config(self) -> Config:
        """The variant's configuration."""
        return VARIANTS[self.variant].config


def combinations() -> list[GridCombination]:
    """Every supported combination, variant by variant."""
    found = []
    for name, variant in VARIANTS.items():
        for weights in WEIGHTS:
            for activations in variant.activations:
                if reason_against(weights, activations, variant.config) is None:
                    found.append(GridCombination(name, weights, activations))
    return found


def representative(variants: tuple[str, ...], *, step: int = 4) -> list[GridCombination]:
    """Every `step`-th combination of some variants, along weights as along activations."""
    weights, order = list(WEIGHTS), list(VARIANTS)
    chosen = []
    for c in combinations():
        if c.variant in variants:
            place = weights.index(c.weights) + order.index(c.variant)
            place += VARIANTS[c.variant].activations.index(c.activations)
            if place % step == 0:
                chosen.append(c)
    return chosen
