"""Colorlight i5 (v7.0) on its extension board: an ECP5-25F, SDRAM and USB serial port."""

from __future__ import annotations

import os
import subprocess

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import LEDResources, SDRAMResource, UARTResource

__all__ = ["ColorlightI5Platform"]

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class ColorlightI5Platform(LatticeECP5Platform):
    """Pins as documented in wuxx/Colorlight-FPGA-Projects, for the module's version 7.0.

    The serial port is that of the extension board's own debugger.
    """

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"

    resources = [  # noqa: RUF012 (Amaranth's own way)
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _LVCMOS33),
        Resource("button", 0, PinsN("K18", dir="i"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
        *LEDResources(pins="U16", invert=True, attrs=_LVCMOS33),
        UARTResource(0, rx="H18", tx="J17", attrs=_LVCMOS33),
        Resource(
            "spi_flash",
            0,  # its clock goes through the primitive USRMCLK
            Subsignal("cs", PinsN("R2", dir="o")),
            Subsignal("copi", Pins("W2", dir="o")),
            Subsignal("cipo", Pins("V2", dir="i")),
            _LVCMOS33,
        ),
        SDRAMResource(  # EM638325, 2M x 32; chip select, clock enable and masks are hard-wired
            0,
            clk="B9",
            we_n="A10",
            ras_n="B10",
            cas_n="A9",
            ba="B11 C8",
            a="B13 C14 A16 A17 B16 B15 A14 A13 A12 A11 B12",
            dq="D15 E14 E13 D12 E12 D11 C10 B17 B8 A8 C7 A7 A6 B6 A5 B5 "
            "D5 C5 D6 C6 E7 D7 E8 D8 E9 D9 E11 C11 C12 D13 D14 C15",
            attrs=Attrs(PULLMODE="NONE", DRIVE="4", SLEWRATE="FAST", IO_TYPE="LVCMOS33"),
        ),
    ]
    connectors = []  # noqa: RUF012

    @property
    def required_tools(self) -> list[str]:
        return [*super().required_tools, "openFPGALoader"]

    def toolchain_prepare(self, fragment, name, **kwargs):
        return super().toolchain_prepare(fragment, name, **{"ecppack_opts": "--compress", **kwargs})

    def toolchain_program(self, products, name) -> None:
        tool = os.environ.get("OPENFPGALOADER", "openFPGALoader")
        with products.extract(f"{name}.bit") as bitstream:
            subprocess.check_call([tool, "-b", "colorlight-i5", "-m", bitstream])
