"""From a configuration to a compiled model: one shared object with the C++ harness inside."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from .. import gen, hw
from ..gen.c_header import c_header
from ..gen.config_names import canonical_toml, load_config
from ..gen.elaborate import elaborate
from ..hw.config import Config
from ..hw.devices import simulation_cells
from .compile_cache import Build, cached_build
from .verilog_cache import cached_verilog

__all__ = ["build_model", "verilog_of"]

_HARNESS = Path(__file__).parent / "harness"


def build_model(
    config: str | Path | Config,
    *,
    trace: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Shared object of a configuration's model, compiled where no equal one is cached.

    Parameters
    ----------
    config : str, Path or Config
        Anything that `lutra.gen.config_names.load_config` takes.
    trace : bool
        Compile the model that can write waveforms, several times slower.
    progress : callable, optional
        Told lines of text where the model has to be compiled; by default they go to stderr.

    Raises
    ------
    ConfigError
        The configuration does not exist or cannot be built.
    ToolMissingError, ToolError
        There is no C++ compiler, or a tool failed.
    """
    config = load_config(config)
    harness = {f.name: f.read_text() for f in sorted(_HARNESS.iterdir()) if f.is_file()}
    build = Build(
        target="model.so",
        sources={"lutra.v": verilog_of(config), "lutra.h": c_header(config), **harness},
        units=["harness.cpp"],
        runtime=["verilated_vcd_c.cpp"] if trace else [],
        verilator_flags=["--prefix", "Vlutra", *(["--trace-vcd"] if trace else [])],
        # -O3 made the model no faster than -O2, and took longer.
        compiler_flags=["-O0" if trace else "-O2", "-fPIC", "-DVL_TIME_CONTEXT",
                        f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}"],
        linker_flags=["-shared"],
    )  # fmt: skip
    return cached_build(build, what=f"the model of {config.name}", progress=progress)


@functools.lru_cache(maxsize=16)
def verilog_of(config: Config) -> str:
    """Verilog to simulate a configuration: what `elaborate` gives, and its device's cells.

    `elaborate`, which takes seconds, is done once per source text.

    The text is a function of the configuration, of the sources of `hw` and `gen`, and of
    Amaranth; where those are the same, it comes from the cache.
    """
    text = cached_verilog([canonical_toml(config)], [hw, gen], lambda: elaborate(config)[0])
    return text + simulation_cells(config)
