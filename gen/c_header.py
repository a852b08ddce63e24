"""C header of one accelerator: what the C++ harness knows of ISA, registers and configuration."""

from __future__ import annotations

import enum

from ..hw import isa
from ..hw.config import Config
from ..hw.registers import MAGIC, Control, Register, Status
from .config_names import config_hash

__all__ = ["c_header"]


def c_header(config: Config) -> str:
    """Text of ``lutra.h``: constants only, valid C and C++.

    Names are ``LUTRA_<group>_<member>``; instruction fields give an ``_OFFSET`` and a ``_WIDTH``
    in bits each.
    """
    lines = [
        "/* Generated from lutra.hw.isa and lutra.hw.registers: do not edit. */",
        "#ifndef LUTRA_H",
        "#define LUTRA_H",
        "",
        _define("ISA_VERSION", isa.ISA_VERSION),
        _define("MAGIC", MAGIC),
        _define("CONFIG_HASH", f"0x{config_hash(config)[:16]}ULL"),
        _define("AXI_BYTES", config.axi_bits // 8),
        _define("ADDR_BITS", config.addr_bits),
        _define("PLANE_MACS_PER_CYCLE", config.plane_macs_per_cycle),
        _define("INSTRUCTION_BYTES", isa.INSTRUCTION_BITS // 8),
    ]
    lines += _enum("REGISTER", Register) + _enum("STATUS", Status) + _enum("CONTROL", Control)
    lines += _enum("OPCODE", isa.Opcode) + _enum("ENGINE", isa.Engine)
    lines += _enum("BUFFER", isa.Buffer) + _enum("ERROR", isa.ErrorCode)
    for opcode, layout in isa.LAYOUTS.items():
        lines.append("")
        for name, field in layout:
            stem = f"{opcode.name}_{str(name).upper()}"
            lines.append(_define(f"{stem}_OFFSET", field.offset))
            lines.append(_define(f"{stem}_WIDTH", field.width))
    return "\n".join([*lines, "", "#endif", ""])


def _enum(group: str, kind: type[enum.IntEnum] | type[enum.IntFlag]) -> list[str]:
    return ["", *(_define(f"{group}_{m.name}", f"0x{int(m):02x}") for m in kind)]


def _define(name: str, value: int | str) -> str:
    return f"#define LUTRA_{name} {value}"
