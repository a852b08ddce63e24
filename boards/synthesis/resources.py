"""What a netlist is made of, in words that mean the same for every family."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = [
    "AVAILABLE_XC7",
    "KINDS",
    "by_component",
    "count_resources",
    "packed_names",
    "packed_resources",
]

#: Kinds of resources, in the order of reports.
KINDS = ("luts", "flip_flops", "carry", "lut_ram", "block_ram", "dsp", "large_ram")

# Cell types by family: pattern of the type, and what one cell takes. ECP5's counts are those of
# nextpnr's "Total LUT4s": a CCU2C is two LUTs, a DPR16X4 four and two more for its write port.
_CELLS: dict[str, list[tuple[str, dict[str, int]]]] = {
    "ecp5": [
        (r"LUT4", {"luts": 1}),
        (r"CCU2C", {"luts": 2, "carry": 1}),
        (r"TRELLIS_DPR16X4", {"luts": 6, "lut_ram": 1}),
        (r"TRELLIS_FF", {"flip_flops": 1}),
        (r"DP16KD|PDPW16KD", {"block_ram": 1}),
        (r"MULT18X18D|MULT9X9D", {"dsp": 1}),
    ],
    "ice40": [
        (r"SB_LUT4", {"luts": 1}),
        (r"SB_CARRY", {"carry": 1}),
        (r"SB_DFF\w*", {"flip_flops": 1}),
        (r"SB_RAM40_4K\w*", {"block_ram": 1}),
        (r"SB_MAC16", {"dsp": 1}),
        (r"SB_SPRAM256KA", {"large_ram": 1}),
    ],
    "gowin": [
        (r"LUT[1-4]", {"luts": 1}),
        (r"ALU", {"luts": 1, "carry": 1}),
        (r"RAM16SDP4", {"luts": 4, "lut_ram": 1}),
        (r"RAM16SDP[12]", {"luts": 2, "lut_ram": 1}),
        (r"DFF\w*", {"flip_flops": 1}),
        (r"(SP|SDP|DP|pROM)\w*", {"block_ram": 1}),
        (r"MULT\w+|MULTALU\w+|MULTADDALU\w+|PADD\w+", {"dsp": 1}),
    ],
    "xc7": [
        (r"LUT[1-6]|LUT6_2|INV", {"luts": 1}),
        (r"CARRY4", {"carry": 1}),
        (r"RAM32M|RAM64M|RAM128X1D", {"luts": 4, "lut_ram": 1}),
        (r"RAM32X1D|RAM64X1D", {"luts": 2, "lut_ram": 1}),
        (r"SRL16E|SRLC32E", {"luts": 1, "lut_ram": 1}),
        (r"FD[RSCP]E(_1)?", {"flip_flops": 1}),
        (r"RAMB18E1", {"block_ram": 1}),
        (r"RAMB36E1", {"block_ram": 2}),
        (r"DSP48E1", {"dsp": 1}),
    ],
}

# Place-and-route's own cells. Only what a device can run short of.
_PACKED: dict[str, dict[str, str]] = {
    "ecp5": {
        "luts": "TRELLIS_COMB", "flip_flops": "TRELLIS_FF", "lut_ram": "TRELLIS_RAMW",
        "block_ram": "DP16KD", "dsp": "MULT18X18D",
    },
    "ice40": {
        "luts": "ICESTORM_LC", "block_ram": "ICESTORM_RAM", "dsp": "ICESTORM_DSP",
        "large_ram": "ICESTORM_SPRAM",
    },
    "gowin": {
        "luts": "LUT4", "flip_flops": "DFF", "carry": "ALU", "lut_ram": "RAM16SDP4",
        "block_ram": "BSRAM",
    },
}  # fmt: skip

#: Of the 7-series parts on the boards (AMD DS180); block RAM in halves of 18 kbit.
AVAILABLE_XC7 = {
    "xc7a35ti": {"luts": 20800, "flip_flops": 41600, "block_ram": 100, "dsp": 90},
    "xc7a100ti": {"luts": 63400, "flip_flops": 126800, "block_ram": 270, "dsp": 240},
}


def count_resources(family: str, cells: Mapping[str, int]) -> dict[str, int]:
    """Resources by kind of mapped cells by type; kinds without any are left out."""
    total: Counter[str] = Counter()
    for kind, count in cells.items():
        for resource, weight in _weights(family, kind).items():
            total[resource] += weight * count
    return {kind: total[kind] for kind in KINDS if total[kind]}


def packed_names(family: str) -> dict[str, str]:
    """What place-and-route calls the cells of each kind."""
    return _PACKED.get(family, {})


def packed_resources(
    family: str, utilisation: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """(used, available) by kind, of what place-and-route counted."""
    names = packed_names(family)
    return {kind: utilisation[cell] for kind, cell in names.items() if cell in utilisation}


def by_component(family: str, netlist: Mapping[str, Any], top: str) -> dict[str, dict[str, int]]:
    """Resources of every component, those below it included, by its dotted path.

    Yosys names a cell after a wire of the component it comes of; after optimisation across
    borders it may be named after a neighbour, so these are close, not exact.
    """
    cells = netlist["modules"][top]["cells"]
    scopes = {name for name, cell in cells.items() if cell["type"] == "$scopeinfo"}
    total: dict[str, Counter[str]] = {"": Counter()}
    for name, cell in cells.items():
        weights = _weights(family, cell["type"])
        if not weights:
            continue
        scope = _scope_of(name, scopes)
        while True:
            counter = total.setdefault(scope, Counter())
            for kind, weight in weights.items():
                counter[kind] += weight
            if not scope:
                break
            scope = scope.rpartition(".")[0]
    return {
        scope: {kind: counts[kind] for kind in KINDS if counts[kind]}
        for scope, counts in sorted(total.items())
    }


def _scope_of(name: str, scopes: set[str]) -> str:
    while name:
        if name in scopes:
            return name
        name = name.rpartition(".")[0]
    return ""


def _weights(family: str, kind: str) -> dict[str, int]:
    for pattern, weights in _CELLS[family]:
        if re.fullmatch(pattern, kind):
            return weights
    return {}
