"""Proofs with yosys-smtbmc and z3: no claim fails within so many cycles, or ever, by induction."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .counterexample import read_run
from .harness import Harness
from .netlist import write_smt2
from .tools import ProverError, smtbmc

__all__ = ["Bounded", "prove_bounded", "prove_step"]


@dataclass(frozen=True)
class Bounded:
    """What z3 found.

    Parameters
    ----------
    broken : str or None
        A claim that fails; None if every one holds in each of the cycles, whatever the inputs.
    at : int or None
        The cycle in which it fails.
    run : str
        The failing run as a table, signals by cycles (`counterexample.read_run`).
    claims : int
        How many were looked at.
    seconds : float
        Wall time.
    """

    broken: str | None
    at: int | None
    run: str
    claims: int
    seconds: float


def prove_bounded(
    harness: Harness,
    cycles: int,
    *,
    only: str = "",
    together: bool = False,
    limit: float = 600.0,
) -> Bounded:
    """Search all runs of `harness` up to `cycles` cycles for one that breaks a claim.

    Yosys decides nothing here: it writes the transition relation as SMT-LIB bit vectors,
    yosys-smtbmc asserts it cycle by cycle, and z3 decides.

    Parameters
    ----------
    cycles : int
        Cycles after the reset.
    only : str
        Beginning of the names of the claims to look at.
    together : bool
        Look at all claims at once. By default each is proved for itself, with what it depends on,
        which is many times faster if `cycles` are many.
    limit : float
        Seconds for all of them.

    Raises
    ------
    ProofTimeoutError
        There was no answer within `limit`.
    ProverError
        A tool is missing or failed.
    """
    claims = _claims(harness, only)
    groups = [claims] if together else [[claim] for claim in claims]
    return _prove(harness, groups, ["-t", str(cycles + 1)], limit)


def prove_step(harness: Harness, cycles: int, *, limit: float = 600.0) -> Bounded:
    """The induction step: the claims hold in any cycle if they all did in the `cycles` before it.

    Together with `prove_bounded` over at least as many cycles that proves them for ever. States
    that cannot be reached count, too: the claims themselves have to exclude those from which one
    of them breaks. Parameters, result and errors are those of `prove_bounded`.
    """
    return _prove(harness, [_claims(harness, "")], ["-i", "-t", str(cycles)], limit)


def _claims(harness: Harness, only: str) -> list[str]:
    harness.rtlil()
    claims = [name for name in harness.claims if name.startswith(only)]
    if not claims:
        raise ProverError(f"only must be the beginning of a claim, not {only!r}")
    return claims


def _prove(
    harness: Harness, groups: list[list[str]], arguments: list[str], limit: float
) -> Bounded:
    begun = time.monotonic()
    broken, at, run = None, None, ""
    with tempfile.TemporaryDirectory(prefix="lutra-formal-") as name:
        folder = Path(name)
        write_smt2(harness, groups, folder, limit)
        for i in range(len(groups)):
            left = limit - (time.monotonic() - begun)
            report = smtbmc([*arguments, "--dump-vcd", "run.vcd", f"{i}.smt2"], folder, left)
            broken, at = _read(report)
            if broken is not None:
                run = read_run((folder / "run.vcd").read_text())
                break
    return Bounded(broken, at, run, sum(map(len, groups)), time.monotonic() - begun)


def _read(report: str) -> tuple[str | None, int | None]:
    """The claim that fails and the cycle, as yosys-smtbmc reports it."""
    if "Status: PASSED" in report:
        return None, None
    names = re.findall(r"Assert failed in top: .*?claim_(\w+)", report)
    steps = re.findall(r"(?:Checking assertions|Trying induction) in step (\d+)", report)
    if "Status: FAILED" not in report or not names or not steps:
        raise ProverError(f"yosys-smtbmc did not decide:\n{report[-2000:]}")
    return names[0], int(steps[-1])
