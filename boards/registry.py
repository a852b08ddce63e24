"""The boards that Lutra knows, by name: chip, clock, pins, memories, and what is built for them."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass, field
from typing import Any

from amaranth.build import Attrs

from .memory.kinds import Memory, OnChip, Sdram, UltraPlus
from .memory.sdram_chip import SDR_16M16

__all__ = ["BOARDS", "Board", "UnknownBoardError", "board_names", "find_board"]


class UnknownBoardError(ValueError):
    """There is no board of that name; the text lists near matches."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board.

    Attributes
    ----------
    name : str
    title : str
        For people.
    family : {"ecp5", "gowin", "ice40", "xc7"}
    platform : str
        ``"module:class"`` of its Amaranth platform, which has chip, package, speed grade and pins.
    clock_hz : int
        Clock that is built by default.
    memories : dict of str to Memory
        What core and host can share; the first is the default.
    config : str
        Configuration that is built by default, small enough for the chip.
    baud : int
        Of the serial port.
    buffer_bytes : int
        Of the link.
    light : tuple of (str, int), optional
        Resource of a light that shows activity.
    uart_pins : dict, optional
        Arguments of `amaranth_boards.resources.UARTResource` where the platform has no serial port.
    loader : str
        Name of the board for ``openFPGALoader -b``.
    """

    name: str
    title: str
    family: str
    platform: str
    clock_hz: int
    memories: dict[str, Memory]
    config: str
    baud: int = 1_000_000
    buffer_bytes: int = 2048
    light: tuple[str, int] | None = ("led", 0)
    uart_pins: dict[str, Any] | None = field(default=None)
    loader: str = ""

    def create_platform(self) -> Any:
        """A fresh platform; each builds one design."""
        module, _, name = self.platform.partition(":")
        kind = getattr(importlib.import_module(module), name)
        platform = _with_rtlil(kind)() if self.family == "xc7" else kind()
        if self.uart_pins is not None:
            resources = importlib.import_module("amaranth_boards.resources")
            platform.add_resources([resources.UARTResource(0, **self.uart_pins)])
        return platform


def _with_rtlil(kind: Any) -> Any:
    """`kind` whose build plans have RTLIL as well, as those of the other families.

    Amaranth's for Vivado have Verilog only, and Yosys reads that of a large array for an hour.
    """

    class Platform(kind):
        @property
        def file_templates(self) -> dict[str, str]:
            return super().file_templates | {"{{name}}.il": "{{emit_rtlil()}}"}

    return Platform


#: Of the OrangeCrab's serial adapter.
_ORANGECRAB_UART = {
    "tx": "0",
    "rx": "1",
    "conn": ("io", 0),
    "attrs": Attrs(IO_TYPE="LVCMOS33"),
}

_ULX3S = {
    "title": "Radiona ULX3S",
    "family": "ecp5",
    # At 40 MHz (or from 91 MHz on) the data of the SDRAM is taken in safely: see `sdram_pads`.
    "clock_hz": 40_000_000,
    "loader": "ulx3s",
}

_ALL = (
    Board(
        **{**_ULX3S, "title": "Radiona ULX3S, ECP5-85F"},
        name="ulx3s_85f",
        platform="amaranth_boards.ulx3s:ULX3S_85F_Platform",
        memories={
            "sdram": Sdram.of(SDR_16M16),
            "onchip": OnChip(128 << 10),
            "onchip_64k": OnChip(64 << 10),  # leaves block RAM to arrays of three rows
        },
        config="w2a8",
    ),
    Board(
        **{**_ULX3S, "title": "Radiona ULX3S, ECP5-25F (or 12F, which is the same chip)"},
        name="ulx3s_25f",
        platform="amaranth_boards.ulx3s:ULX3S_25F_Platform",
        memories={"sdram": Sdram.of(SDR_16M16), "onchip": OnChip(32 << 10)},
        config="tiny",
    ),
    Board(
        name="orangecrab",
        title="OrangeCrab r0.2, ECP5-25F; serial adapter at pins 0 (out) and 1 (in)",
        family="ecp5",
        platform="amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_25FPlatform",
        clock_hz=48_000_000,
        memories={"onchip": OnChip(64 << 10)},
        config="tiny",
        light=None,
        uart_pins=_ORANGECRAB_UART,
        loader="orangeCrab",
    ),
    Board(
        name="orangecrab_85f",
        title="OrangeCrab r0.2.1, ECP5-85F; serial adapter at pins 0 (out) and 1 (in)",
        family="ecp5",
        platform="amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_85FPlatform",
        clock_hz=48_000_000,
        memories={"onchip": OnChip(128 << 10)},
        config="w2a8",
        light=None,
        uart_pins=_ORANGECRAB_UART,
        loader="orangeCrab",
    ),
    Board(
        name="colorlight_5a75b",
        title="Colorlight 5A-75B v7.0, ECP5-25F; serial adapter at J19 (LED out, KEY in)",
        family="ecp5",
        platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        clock_hz=50_000_000,
        memories={"onchip": OnChip(64 << 10)},
        config="tiny",
        light=None,  # its only one is the serial output
        loader="colorlight",
    ),
    Board(
        name="colorlight_i5",
        title="Colorlight i5 v7.0 on its extension board, ECP5-25F",
        family="ecp5",
        platform="lutra.boards.colorlight_i5:ColorlightI5Platform",
        clock_hz=50_000_000,
        memories={"onchip": OnChip(64 << 10)},
        config="tiny",
        loader="colorlight-i5",
    ),
    Board(
        name="icebreaker",
        title="1BitSquared iCEBreaker, iCE40-UP5K",
        family="ice40",
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        clock_hz=12_000_000,
        memories={"spram": UltraPlus(128 << 10)},
        config="tiny_ice40",
        buffer_bytes=512,  # one block of RAM
        loader="ice40_generic",
    ),
    Board(
        name="tang_nano_9k",
        title="Sipeed Tang Nano 9K, Gowin GW1NR-9",
        family="gowin",
        platform="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        clock_hz=27_000_000,
        memories={"onchip": OnChip(24 << 10)},
        config="tiny_ice40",
        loader="tangnano9k",
    ),
    Board(
        name="tang_nano_20k",
        title="Sipeed Tang Nano 20K, Gowin GW2AR-18",
        family="gowin",
        platform="lutra.boards.tang_nano_20k:TangNano20kPlatform",
        clock_hz=27_000_000,
        memories={"onchip": OnChip(64 << 10)},
        config="tiny",
        loader="tangnano20k",
    ),
    Board(
        name="arty_a7",
        title="Digilent Arty A7-35T",
        family="xc7",
        platform="amaranth_boards.arty_a7:ArtyA7_35Platform",
        clock_hz=50_000_000,
        memories={"onchip": OnChip(64 << 10)},
        config="tiny",
        loader="arty",
    ),
    Board(
        name="arty_a7_100",
        title="Digilent Arty A7-100T",
        family="xc7",
        platform="amaranth_boards.arty_a7:ArtyA7_100Platform",
        clock_hz=50_000_000,
        memories={"onchip": OnChip(256 << 10)},
        config="w2a8",
        loader="arty_a7_100t",
    ),
)

#: Every board by its name.
BOARDS = {board.name: board for board in _ALL}

_ALIASES = {
    "ulx3s": "ulx3s_85f",
    "ulx3s_12f": "ulx3s_25f",
    "orangecrab_25f": "orangecrab",
    "colorlight": "colorlight_5a75b",
    "colorlight_5a_75b": "colorlight_5a75b",
    "tang_nano": "tang_nano_9k",
    "tangnano9k": "tang_nano_9k",
    "tangnano20k": "tang_nano_20k",
    "arty": "arty_a7",
    "arty_a7_35": "arty_a7",
    "icebreaker_up5k": "icebreaker",
}


def board_names() -> list[str]:
    """Names of all boards, sorted."""
    return sorted(BOARDS)


def find_board(name: str | Board) -> Board:
    """The board of a name, in any case, with ``-`` or ``_``.

    Raises
    ------
    UnknownBoardError
        There is none.
    """
    if isinstance(name, Board):
        return name
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    key = _ALIASES.get(key, key)
    if key in BOARDS:
        return BOARDS[key]
    near = difflib.get_close_matches(key, [*BOARDS, *_ALIASES], n=3, cutoff=0.5)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownBoardError(f"board must be one of {', '.join(board_names())}, not {name!r}{hint}")
