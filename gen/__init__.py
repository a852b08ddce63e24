"""Configurations by name or file, and their elaboration to Verilog and a manifest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config_names import config_hash, load_config, preset_names
    from .elaborate import generate

__all__ = ["config_hash", "generate", "load_config", "preset_names"]

_HOME = {
    "config_hash": "config_names",
    "generate": "elaborate",
    "load_config": "config_names",
    "preset_names": "config_names",
}


def __getattr__(name: str) -> object:
    # Loaded when first used: a configuration alone does not need the generator.
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
