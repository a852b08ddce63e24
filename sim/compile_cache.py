"""Verilate and compile once: results are cached by the content of everything that goes in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..gen.cache import cache_folder, content_key, fill_once
from ..gen.elaborate import TOP
from .runtime_objects import runtime_objects
from .toolchain import (
    COMPILER_FLAGS,
    compiler_identity,
    find_tool,
    include_flags,
    run_tool,
    verilator_command,
    verilator_version,
)

__all__ = ["Build", "cached_build"]

#: Two-state logic has no use for X, and assertions cost time in every cycle. Warnings are the
#: business of the lint test.
_VERILATOR_FLAGS = [
    "--cc", "--top-module", TOP, "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--noassert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--quiet",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is to be compiled; every field is part of the key.

    Attributes
    ----------
    target : str
        File name of the result.
    sources : mapping of str to str
        Files by name; ``lutra.v`` is the Verilog.
    units : sequence of str
        C++ files to compile with the model: names in `sources`, or paths.
    runtime : sequence of str
        Files of Verilator's runtime beyond those that every model needs.
    verilator_flags, compiler_flags, linker_flags : sequence of str
        Additional options. Models with the same for the compiler share one compiled runtime.
    """

    target: str
    sources: Mapping[str, str]
    units: Sequence[str]
    runtime: Sequence[str] = ()
    verilator_flags: Sequence[str] = ()
    compiler_flags: Sequence[str] = ()
    linker_flags: Sequence[str] = ()

    @property
    def key(self) -> str:
        """Hash of this build, of the versions of Verilator and compiler, and of the processor."""
        flags = [*_VERILATOR_FLAGS, *self.verilator_flags, *COMPILER_FLAGS, *self.compiler_flags]
        flags += self.linker_flags
        parts = [self.target, verilator_version(), compiler_identity(), *flags]
        parts += [*self.runtime, *self.units]
        parts += [f"{name}\0{text}" for name, text in sorted(self.sources.items())]
        return content_key(parts)


def cached_build(build: Build, *, what: str, progress: Callable[[str], None] | None = None) -> Path:
    """Path of the compiled target; compiled here where no equal build is cached.

    Any number of processes may ask for the same build at the same time: one compiles, the others
    wait.

    Parameters
    ----------
    build : Build
        What to compile.
    what : str
        What to call it in the progress report.
    progress : callable, optional
        Told lines of text where something has to be compiled; by default they go to stderr.

    Raises
    ------
    ToolMissingError, ToolError
        There is no C++ compiler, or a tool failed.
    """
    report = progress or _to_stderr

    def fill(folder: Path) -> None:
        report(f"compiling {what} (once, then cached)")
        begin = time.monotonic()
        _compile(folder, build)
        for path in folder.iterdir():
            if path.name not in (build.target, "lutra.v"):
                path.unlink()
        report(f"compiled {what} in {time.monotonic() - begin:.1f} s")

    return fill_once(cache_folder() / build.key, build.target, fill)


def _compile(folder: Path, build: Build) -> None:
    for name, text in build.sources.items():
        (folder / name).write_text(text)
    control = [name for name in build.sources if name.endswith(".vlt")]
    command = [*verilator_command(), *_VERILATOR_FLAGS, *build.verilator_flags]
    run_tool([*command, "--Mdir", ".", *control, "lutra.v"], cwd=folder)
    # One translation unit: no make, no Perl, and the compiler sees loop and model together.
    generated = sorted(path.name for path in folder.glob("V*.cpp"))
    # What runs once, at the start, is half of the code: optimising it would take half of the time.
    once = [name for name in generated if name.endswith("__Slow.cpp")]
    often = [name for name in generated if name not in once]
    lines = [f'#include "{name}"\n' for name in [*often, *build.units]]
    lines += ['#pragma GCC optimize ("O0")\n', *(f'#include "{name}"\n' for name in once)]
    (folder / "all.cpp").write_text("".join(lines))
    objects = [str(path) for path in runtime_objects(build.runtime, build.compiler_flags)]
    flags = [*COMPILER_FLAGS, "-I.", *include_flags(), *build.compiler_flags]
    run_tool(
        [find_tool("c++"), *flags, "all.cpp", *objects, "-o", build.target, *build.linker_flags],
        cwd=folder,
    )


def _to_stderr(text: str) -> None:
    print(f"lutra: {text}", file=sys.stderr, flush=True)
