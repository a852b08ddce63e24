"""Sipeed Tang Nano 20K: a Gowin GW2AR-18 with a USB serial port."""

from __future__ import annotations

import os
import subprocess

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import (
    ButtonResources,
    LEDResources,
    SPIFlashResources,
    UARTResource,
)

__all__ = ["TangNano20kPlatform"]

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class TangNano20kPlatform(GowinPlatform):
    """Pins as in Sipeed's schematic (Tang_Nano_20K_3921).

    The SDRAM in the chip's package has no pins; its nets are found by name, by Gowin's tools only.
    """

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"

    resources = [  # noqa: RUF012 (Amaranth's own way)
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _LVCMOS33),
        *ButtonResources(pins="88 87", attrs=_LVCMOS33),
        *LEDResources(pins="15 16 17 18 19 20", invert=True, attrs=_LVCMOS33),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(PULL_MODE="UP", IO_TYPE="LVCMOS33")),
        *SPIFlashResources(0, cs_n="60", clk="59", copi="61", cipo="62", attrs=_LVCMOS33),
    ]
    connectors = []  # noqa: RUF012

    def toolchain_prepare(self, fragment, name, **kwargs):
        overrides = {
            "add_options": "set_option -use_mspi_as_gpio 1 -use_sspi_as_gpio 1",
            "gowin_pack_opts": "--sspi_as_gpio --mspi_as_gpio",
        }
        return super().toolchain_prepare(fragment, name, **{**overrides, **kwargs})

    def toolchain_program(self, products, name) -> None:
        tool = os.environ.get("OPENFPGALOADER", "openFPGALoader")
        with products.extract(f"{name}.fs") as bitstream:
            subprocess.check_call([tool, "-b", "tangnano20k", bitstream])
