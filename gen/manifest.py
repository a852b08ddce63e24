"""The manifest beside the Verilog: what a board flow, a driver or a reader needs to know of it."""

from __future__ import annotations

import enum
from dataclasses import asdict
from importlib import metadata
from typing import Any

from amaranth.hdl import Value, ValueCastable
from amaranth.lib import data, wiring

from ..hw import isa
from ..hw.config import Config
from ..hw.element_latency import latencies
from ..hw.registers import Control, Register, Status
from .config_names import config_hash

__all__ = ["core_ports", "derived_widths", "isa_tables", "manifest", "register_map"]

#: Raised whenever a key of the manifest changes its meaning.
MANIFEST_VERSION = 1

#: Clock and reset are added by the back end, so that the component's signature lacks them.
_CLOCK_PORTS = [
    {"name": "clk", "direction": "input", "width": 1},
    {"name": "rst", "direction": "input", "width": 1},
]


def manifest(config: Config, core: wiring.Component) -> dict[str, Any]:
    """Everything about one accelerator that is not its Verilog, as JSON types.

    Parameters
    ----------
    config : Config
        What the core was built from.
    core : wiring.Component
        The top; its signature gives the ports.
    """
    return {
        "manifest_version": MANIFEST_VERSION,
        "generator": {"name": "lutra", "version": metadata.version("lutra")},
        "name": config.name,
        "top": "lutra",
        "config_hash": config_hash(config),
        "configuration": asdict(config),
        "derived": derived_widths(config),
        "latencies": latencies(config),
        "ports": core_ports(core),
        "isa": isa_tables(),
        "registers": register_map(),
    }


def derived_widths(config: Config) -> dict[str, int]:
    """Every derived integer property of the configuration, by name."""
    members = {name: member for kind in Config.__mro__ for name, member in vars(kind).items()}
    public = [n for n, m in members.items() if isinstance(m, property) and n[0] != "_"]
    return {name: getattr(config, name) for name in sorted(public)}


def core_ports(core: wiring.Component) -> list[dict[str, Any]]:
    """Name, direction and width of every port of the top, as the Verilog has them."""
    ports = list(_CLOCK_PORTS)
    for path, member, value in core.signature.flatten(core):
        cast = value.as_value() if isinstance(value, ValueCastable) else value
        assert isinstance(cast, Value)
        direction = "input" if member.flow == wiring.In else "output"
        name = "__".join(str(part) for part in path)
        ports.append({"name": name, "direction": direction, "width": len(cast)})
    return ports


def isa_tables() -> dict[str, Any]:
    """Opcodes with their fields, and the enumerations that the fields use."""
    instructions = {
        opcode.name: {
            "opcode": int(opcode),
            "engine": "FETCH" if opcode.engine is None else opcode.engine.name,
            "fields": [
                {"name": name, "offset": field.offset, "width": field.width}
                for name, field in _fields(isa.LAYOUTS[opcode])
            ],
        }
        for opcode in isa.Opcode
    }
    return {
        "version": isa.ISA_VERSION,
        "instruction_bits": isa.INSTRUCTION_BITS,
        "max_planes": isa.MAX_PLANES,
        "instructions": instructions,
        "engines": _members(isa.Engine),
        "buffers": _members(isa.Buffer),
        "error_codes": _members(isa.ErrorCode),
    }


def register_map() -> dict[str, Any]:
    """Byte offsets of the control registers and the bits of STATUS and CONTROL."""
    return {
        "offsets": _members(Register),
        "status": _members(Status),
        "control": _members(Control),
    }


def _fields(layout: data.StructLayout) -> list[tuple[str, data.Field]]:
    return [(str(name), field) for name, field in layout]


def _members(kind: type[enum.IntEnum] | type[enum.IntFlag]) -> dict[str, int]:
    return {member.name or "": int(member) for member in kind}
