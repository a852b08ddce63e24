"""``lutra program``: a board's bitstream into the board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...boards.registry import find_board
from ...boards.synthesis.programmer import find_bitstream, load_bitstream
from ...gen.config_names import config_hash, load_config
from ..accelerator import Accelerator

__all__ = ["program"]


def program(
    config: Annotated[
        str | None, typer.Argument(help="Configuration; the board's own by default.")
    ] = None,
    board: Annotated[str, typer.Option("--board", "-b", help="Board.")] = "ulx3s",
    flash: Annotated[
        bool, typer.Option("--flash", help="Into the flash memory, to stay when power is off.")
    ] = False,
    port: Annotated[
        str | None,
        typer.Option(help="Serial port, such as /dev/ttyUSB0, to ask the loaded board who it is."),
    ] = None,
    build: Annotated[Path, typer.Option("--build", help="Root folder of results.")] = Path("build"),
) -> None:
    """Load what `lutra synth` wrote, with openFPGALoader; with --port, see that it answers."""
    place = find_board(board)
    loaded = load_config(config or place.config)
    bitstream = find_bitstream(place, loaded, build)
    load_bitstream(place, bitstream, flash=flash)
    print(f"loaded {bitstream}")
    if port is not None:
        with Accelerator.open(f"serial:{port}", config=loaded, baud=place.baud):
            print(f"{port} answers: {loaded.name}, hash {config_hash(loaded)[:16]}")
