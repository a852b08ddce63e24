"""Counting cells, by kind and by component."""

from __future__ import annotations

import pytest

from lutra.boards.synthesis.resources import by_component, count_resources, packed_resources
from lutra.boards.synthesis.throughput import macs_per_cycle, peak_tops, planes_per_weight
from lutra.gen.config_names import load_config


@pytest.mark.parametrize(
    ("family", "cells", "wanted"),
    [
        ("ecp5", {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7, "PFUMX": 9,
                  "$scopeinfo": 4, "DP16KD": 1},
         {"luts": 28, "flip_flops": 7, "carry": 3, "lut_ram": 2, "block_ram": 1}),
        ("ice40", {"SB_LUT4": 5, "SB_CARRY": 2, "SB_DFFESR": 3, "SB_DFF": 1, "SB_SPRAM256KA": 4},
         {"luts": 5, "flip_flops": 4, "carry": 2, "large_ram": 4}),
        ("gowin", {"LUT3": 2, "ALU": 3, "RAM16SDP4": 1, "DFFRE": 4, "SDPB": 2, "MUX2_LUT5": 8},
         {"luts": 9, "flip_flops": 4, "carry": 3, "lut_ram": 1, "block_ram": 2}),
        ("xc7", {"LUT6": 4, "LUT6_2": 1, "RAM32M": 2, "FDRE": 3, "RAMB36E1": 1, "DSP48E1": 2},
         {"luts": 13, "flip_flops": 3, "lut_ram": 2, "block_ram": 2, "dsp": 2}),
    ],
)  # fmt: skip
def test_counts(family: str, cells: dict[str, int], wanted: dict[str, int]) -> None:
    assert count_resources(family, cells) == wanted


def test_packed() -> None:
    used = {"ICESTORM_LC": (5000, 5280), "SB_GB": (3, 8)}
    assert packed_resources("ice40", used) == {"luts": (5000, 5280)}


def test_components() -> None:
    scope = {"type": "$scopeinfo"}
    cells = {
        "core": scope, "core.fetch": scope,
        "core.fetch.left_LUT4_Z": {"type": "LUT4"},
        "core.fetch.beats.0.0": {"type": "DP16KD"},
        "core.x.y": {"type": "TRELLIS_FF"},
        "pad": {"type": "LUT4"},
        "core.pad": {"type": "TRELLIS_IO"},
    }  # fmt: skip
    assert by_component("ecp5", {"modules": {"top": {"cells": cells}}}, "top") == {
        "": {"luts": 2, "flip_flops": 1, "block_ram": 1},
        "core": {"luts": 1, "flip_flops": 1, "block_ram": 1},
        "core.fetch": {"luts": 1, "block_ram": 1},
    }


@pytest.mark.parametrize(
    ("config", "planes", "macs"),
    [("w2a8", 2, 256), ("w1p58a8", 1, 306), ("w2a8_mac", 1, 256), ("w2a8_add", 2, 256),
     ("w4a8_shiftadd", 1, 128), ("w2a2_bitserial", 2, None)],
)  # fmt: skip
def test_throughput(config: str, planes: int, macs: int | None) -> None:
    loaded = load_config(config)
    if config == "w2a2_bitserial":
        planes *= loaded.act_bits
    assert planes_per_weight(loaded) == planes
    assert macs_per_cycle(loaded) * planes == loaded.plane_macs_per_cycle
    if macs is not None:
        assert macs_per_cycle(loaded) == macs
        assert peak_tops(loaded, 100e6) == pytest.approx(2 * macs * 1e8 / 1e12)
