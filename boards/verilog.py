"""Verilog of a system without a board around it, for simulation."""

from __future__ import annotations

import os
from unittest import mock

from amaranth.back import verilog

from ..gen.elaborate import TOP
from ..gen.quick_memories import quick_memories
from .system import System

__all__ = ["system_verilog"]


def system_verilog(system: System) -> str:
    """Text of one file; its top module has ``clk``, ``rst`` and the members of the system."""
    # A Yosys of the system would write other bytes, or not know what Amaranth wants of it.
    with mock.patch.dict(os.environ, {"AMARANTH_USE_YOSYS": "builtin"}), quick_memories():
        return verilog.convert(system, name=TOP, emit_src=False, strip_internal_attrs=True)
