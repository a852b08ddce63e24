"""Yosys as a child process: designs and scripts in, files and cell counts out, named errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib.wiring import Component

__all__ = [
    "CellCount",
    "YosysError",
    "YosysFailedError",
    "YosysMissingError",
    "YosysTimeoutError",
    "component_rtlil",
    "plain_names",
    "read_counts",
    "run_yosys",
    "yosys_version",
]

# A failed assertion of Yosys ends its whole process, so it never runs in this one.
_CHILD = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.stdin.read().splitlines():
    design.run_pass(command)
"""

_BRACKETED = re.compile(r'[\\$][^\s"]*\[[^\s"]*')


class YosysError(Exception):
    """Yosys gave no result."""


class YosysMissingError(YosysError):
    """The package `pyosys` is not installed."""


class YosysFailedError(YosysError):
    """Yosys stopped with an error; the text is its own, `log` all that it wrote."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


class YosysTimeoutError(YosysError):
    """Yosys did not end in time."""


@dataclass(frozen=True)
class CellCount:
    """What a module is made of after mapping, all modules below it included.

    `cells` counts instances by type; `area` is in the units of the liberty file that `stat` was
    given, 0 without one.
    """

    cells: dict[str, int]
    area: float


def yosys_version() -> str:
    """The release of Yosys that runs, such as ``"pyosys 0.70"``.

    Raises
    ------
    YosysMissingError
        `pyosys` is not installed.
    """
    try:
        return f"pyosys {metadata.version('pyosys')}"
    except metadata.PackageNotFoundError:
        raise YosysMissingError("pyosys is missing: install lutra[synth]") from None


def component_rtlil(component: Component, name: str = "top") -> str:
    """An Amaranth component as RTLIL with module `name` on top; ports as in its signature."""
    return plain_names(rtlil.convert(component, name=name, emit_src=False))


def plain_names(text: str) -> str:
    """RTLIL or Verilog with ``entries[3]`` inside a name written ``entries.3``.

    Amaranth names the elements of an array that way. Next to a bus ``entries``, ABC9 cannot tell
    such a name from one bit of the bus, and Yosys ends with ``Assert `count_id(wire->name) == 0'``.
    """
    return _BRACKETED.sub(lambda name: name[0].replace("[", ".").replace("]", ""), text)


def run_yosys(
    commands: Sequence[str],
    *,
    folder: str | Path,
    timeout: float = 3600,
    log: str | Path | None = None,
) -> str:
    """Run commands one after the other on one design.

    Parameters
    ----------
    commands : sequence of str
        A line of Yosys script each. Files are named relative to `folder`.
    folder : path
        Working directory of the process.
    timeout : float
        Seconds after which it is ended.
    log : path, optional
        File to keep what Yosys writes in.

    Returns
    -------
    str
        What Yosys wrote.

    Raises
    ------
    YosysMissingError, YosysFailedError, YosysTimeoutError
    """
    yosys_version()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input="\n".join(commands),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            timeout=timeout,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise YosysTimeoutError(f"Yosys took more than {timeout:g} s; give it more time") from None
    if log is not None:
        Path(log).write_text(done.stdout)
    if done.returncode:
        raise YosysFailedError(_reason(done.stdout, done.returncode), done.stdout)
    return done.stdout


def read_counts(path: str | Path) -> CellCount:
    """The file that ``tee -q -o FILE stat -json [-liberty LIB]`` wrote, of a flattened design."""
    design = json.loads(Path(path).read_text())["design"]
    cells = {kind: _number(count) for kind, count in design["num_cells_by_type"].items()}
    cells.pop("$scopeinfo", None)  # names of what was flattened, no hardware
    return CellCount(cells, float(design.get("area", 0)))


def _number(count: int | dict[str, float]) -> int:
    # With -liberty, Yosys gives {"count": n, "area": a, ...} for every cell.
    return int(count["count"] if isinstance(count, dict) else count)


def _reason(log: str, code: int) -> str:
    errors = [line.strip() for line in log.splitlines() if line.startswith("ERROR")]
    if errors:
        return f"Yosys: {errors[-1].removeprefix('ERROR:').strip()}"
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    return f"Yosys ended with status {code}: {last}"
