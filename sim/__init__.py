"""Golden model, cycle model and compiled simulation of the accelerator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .functional import FunctionalDevice
    from .pyverilator import open_pyverilator
    from .verilator_device import VerilatorDevice

__all__ = ["FunctionalDevice", "VerilatorDevice", "open_pyverilator"]

_HOME = {
    "FunctionalDevice": "functional",
    "VerilatorDevice": "verilator_device",
    "open_pyverilator": "pyverilator",
}


def __getattr__(name: str) -> object:
    # Loaded when first used: the golden model does not need Amaranth, nor a compiler.
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
