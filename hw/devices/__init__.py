"""What arrays are made of: one small class a device family, behind one seam (`Device`)."""

from __future__ import annotations

from importlib import resources

from ..config import Config
from .device import Device
from .ecp5 import ECP5
from .xc7 import XC7

__all__ = ["ECP5", "XC7", "Device", "device_of", "simulation_cells"]


def device_of(config: Config) -> Device:
    """The cells that `config.device` names."""
    return {"generic": Device, "ecp5": ECP5, "xc7": XC7}[config.device]()


def simulation_cells(config: Config) -> str:
    """Verilog models of the cells that an accelerator instantiates; nothing where it does not."""
    file = device_of(config).cells
    return (resources.files(__package__) / file).read_text("utf-8") if file else ""
