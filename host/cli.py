"""The command line: ``lutra <command>``, one file per command in `host/commands`."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Annotated

# The products that NumPy is left with are small: more threads than one only wait for each other.
# It counts its threads when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from ..boards.asic.liberty import LibertyError
from ..boards.density.sweep import SweepError
from ..boards.density.targets import StudyError
from ..boards.link.baud import BaudError
from ..boards.memory.sdram_pads import SdramClockError
from ..boards.pll import ClockError
from ..boards.registry import UnknownBoardError
from ..boards.synthesis.errors import FlowError
from ..boards.synthesis.yosys import YosysError
from ..boards.top import UnknownMemoryError
from ..hw.config import ConfigError
from ..sim.errors import SimulationError
from ..sim.toolchain import ToolError, ToolMissingError
from .commands.bench_cycles import bench_cycles
from .commands.bench_density import bench_density
from .commands.bench_digits import bench_digits
from .commands.bench_elements import bench_elements
from .commands.bench_llm import bench_llm
from .commands.bench_minilm import bench_minilm
from .commands.bench_sim import bench_sim
from .commands.bench_utilisation import bench_utilisation
from .commands.compile import compile_
from .commands.configs import configs
from .commands.estimate import estimate
from .commands.formats import formats
from .commands.gen import gen
from .commands.grid import grid
from .commands.info import info
from .commands.inspect import inspect
from .commands.program import program
from .commands.run import run
from .commands.run_model import run_model
from .commands.synth import synth
from .commands.tb import tb
from .errors import LutraError
from .missing_extra import missing_module_text

__all__ = ["app", "main"]

#: What a user can cause: told by name and text, without a traceback.
_EXPECTED = (
    BaudError,
    ClockError,
    ConfigError,
    FlowError,
    LibertyError,
    LutraError,
    SdramClockError,
    SimulationError,
    StudyError,
    SweepError,
    ToolError,
    ToolMissingError,
    UnknownBoardError,
    UnknownMemoryError,
    YosysError,
    OSError,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="Measure cycles and simulation speed.", no_args_is_help=True)
app.add_typer(bench, name="bench")

app.command("compile")(compile_)
app.command()(configs)
app.command()(estimate)
app.command()(formats)
app.command()(gen)
app.command()(grid)
app.command()(info)
app.command()(inspect)
app.command()(program)
app.command()(run)
app.command("run-model")(run_model)
app.command()(synth)
app.command()(tb)
bench.command("cycles")(bench_cycles)
bench.command("density")(bench_density)
bench.command("digits")(bench_digits)
bench.command("elements")(bench_elements)
bench.command("llm")(bench_llm)
bench.command("minilm")(bench_minilm)
bench.command("sim")(bench_sim)
bench.command("utilisation")(bench_utilisation)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lutra {metadata.version('lutra')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """LUT-based mixed-precision matrix-multiply accelerators: generate, simulate, use."""


def main() -> None:
    """Run the command line; expected errors end it with status 1 and one line of text."""
    try:
        app()
    except _EXPECTED as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
    except ModuleNotFoundError as error:
        text = missing_module_text(error)
        if text is None:
            raise  # a module of our own: a mistake to be seen whole
        sys.stderr.write(f"{type(error).__name__}: {text}\n")
        sys.exit(1)
