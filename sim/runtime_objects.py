"""Verilator's runtime, compiled once for all models that are compiled with the same options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..gen.cache import cache_folder, content_key, fill_once
from .toolchain import (
    COMPILER_FLAGS,
    compiler_identity,
    find_tool,
    include_flags,
    run_tool,
    verilator_root,
    verilator_version,
)

__all__ = ["runtime_objects"]

#: What every model needs.
_ALWAYS = ("verilated.cpp", "verilated_threads.cpp")


def runtime_objects(more: Sequence[str], flags: Sequence[str]) -> list[Path]:
    """Object files to link to a model; compiled here where they are not cached.

    It takes as long to compile as a small model.

    Parameters
    ----------
    more : sequence of str
        Files of the runtime beyond those that every model needs.
    flags : sequence of str
        The model's own options for the compiler: definitions select parts of the runtime.

    Raises
    ------
    ToolMissingError, ToolError
        There is no C++ compiler, or it failed.
    """
    return [_object(name, flags) for name in (*_ALWAYS, *more)]


def _object(name: str, flags: Sequence[str]) -> Path:
    parts = [name, verilator_version(), compiler_identity(), *COMPILER_FLAGS, *flags]
    target = f"{Path(name).stem}.o"

    def fill(folder: Path) -> None:
        source = str(verilator_root() / "include" / name)
        options = [*COMPILER_FLAGS, *include_flags(), *flags]
        run_tool([find_tool("c++"), *options, "-c", source, "-o", target], cwd=folder)

    return fill_once(cache_folder() / "runtime" / content_key(parts), target, fill)
