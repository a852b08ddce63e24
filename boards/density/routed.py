"""Arrays that fill one chip, routed: lookups, and the multipliers they are compared with."""

from __future__ import annotations

from ...gen.config_names import load_config
from ...hw.config import Config
from .points import Point

__all__ = ["LOOKUP_CLOCK_MHZ", "MULTIPLIER_CLOCK_MHZ", "dsp_config", "routed_points"]

#: Clocks in MHz that the two are routed for.
LOOKUP_CLOCK_MHZ = 70.0
MULTIPLIER_CLOCK_MHZ = 50.0


def dsp_config() -> Config:
    """`mac` with a DSP block for every product: 153 of the 156 blocks of an ECP5-85F.

    A multiplier of 18 x 18 bits takes one product of 2 x 8 bits; the zero point takes one of the
    other three blocks. Operands are registered in front of the multipliers, products behind them,
    and its tree has a register behind every adder.
    """
    return Config(
        name="w2a8_dsp", pe="mac", device="ecp5", weight_bits=2, act_bits=8, rows=1, lanes=17,
        tables=9, lookup_group=1, tree_pipeline=1, scale_bits=0, group_zeros=0, axi_bits=64,
        weight_depth=512, psum_depth=512, requantise_lanes=0,
    )  # fmt: skip


def routed_points() -> list[Point]:
    """What stands behind the figures of the ULX3S: minutes to an hour of place and route each."""
    lookup = load_config("w2a8_ulx3s")
    return [
        Point("ulx3s_85f", lookup, "2", memory="onchip_64k", clock_mhz=LOOKUP_CLOCK_MHZ),
        Point("ulx3s_85f", dsp_config(), "2", memory="onchip", clock_mhz=MULTIPLIER_CLOCK_MHZ),
    ]
