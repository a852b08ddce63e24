"""Loading a bitstream into a board: openFPGALoader, and only what was built for this board."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from ...gen.config_names import config_hash
from ...gen.elaborate import TOP
from ...hw.config import Config
from ..registry import Board
from .design import product_name
from .errors import FlowToolMissingError, ProgramError

__all__ = ["find_bitstream", "load_bitstream", "loader_command"]

_PACKAGES = (
    "`apt install openfpgaloader`, `dnf install openFPGALoader` or `brew install openfpgaloader`"
)


def find_bitstream(board: Board, config: Config, root: Path = Path("build")) -> Path:
    """The bitstream that ``lutra synth`` wrote for this configuration and board.

    Raises
    ------
    ProgramError
        There is none, or it was built from something else; the text says what to run.
    """
    folder = root / config.name / board.name
    path, report = folder / product_name(board), folder / "report.json"
    again = f"run `lutra synth {config.name} --board {board.name}`"
    if board.family == "xc7":
        again += f", then `vivado -mode batch -source {TOP}.tcl` in {folder}"
    if not path.is_file():
        raise ProgramError(f"{path} does not exist: {again}")
    if not report.is_file() or json.loads(report.read_text())["config_hash"] != config_hash(config):
        raise ProgramError(f"{path} was built from another configuration {config.name!r}: {again}")
    return path


def loader_command(board: Board, bitstream: Path, *, flash: bool = False) -> list[str]:
    """Command that loads a bitstream: until power is off, or into the board's flash memory.

    The variable OPENFPGALOADER names another build of the program.
    """
    program = shlex.split(os.environ.get("OPENFPGALOADER", "openFPGALoader"))
    return [*program, "-b", board.loader, *(["-f"] if flash else []), str(bitstream)]


def load_bitstream(board: Board, bitstream: Path, *, flash: bool = False) -> None:
    """Load it; the program's own output goes where that of this process goes.

    Raises
    ------
    FlowToolMissingError
        openFPGALoader is not there; the text has the file and how to get the program.
    ProgramError
        It failed: no board, no permission, wrong board.
    """
    command = loader_command(board, bitstream, flash=flash)
    if shutil.which(command[0]) is None:
        raise FlowToolMissingError(
            f"{command[0]} was not found; install it ({_PACKAGES}), or load {bitstream} with "
            f"another program; the command would be `{shlex.join(command)}`"
        )
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        raise ProgramError(
            f"`{shlex.join(command)}` ended with status {status}: is the board connected, and may "
            "you use it? (on Linux: openFPGALoader's udev rules)"
        )
