"""Quantise, pack, drive: everything that runs on the host."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .accelerator import Accelerator
    from .importers.load import load_model
    from .quantize import quantize_rtn, quantize_ternary
    from .quantized_matrix import QuantizedMatrix

__all__ = ["Accelerator", "QuantizedMatrix", "load_model", "quantize_rtn", "quantize_ternary"]

_HOME = {
    "Accelerator": "accelerator",
    "QuantizedMatrix": "quantized_matrix",
    "load_model": "importers.load",
    "quantize_rtn": "quantize",
    "quantize_ternary": "quantize",
}


def __getattr__(name: str) -> object:
    # Loaded when first used: a tool that only reads one module does not pay for all.
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
