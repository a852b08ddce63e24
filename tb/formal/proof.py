"""One proof: its harness, how deep it goes, and what it has to find where a fault is built in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .bounded import prove_bounded, prove_step
from .faults import FaultError
from .forever import prove_forever
from .harness import Harness
from .tools import ProofTimeoutError, ProverError

__all__ = ["Proof", "Step"]


@dataclass(frozen=True)
class Step:
    """One question put to a solver, and its answer.

    Parameters
    ----------
    proof : str
        Name of the proof.
    kind : {"bounded", "for ever", "fault"}
    what : str
        The depth, the claims, or the fault.
    claims : int
        Claims that the question is about.
    cycles : int
        The depth; 0 where there is no bound.
    seconds : float
    result : {"holds", "found", "fails", "missed", "timeout", "error"}
        A fault is found, or missed; claims hold, or one fails.
    detail : str
        The counterexample, or what went wrong.
    """

    proof: str
    kind: str
    what: str
    claims: int
    cycles: int
    seconds: float
    result: str
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether it is what was expected."""
        return self.result in ("holds", "found")


@dataclass(frozen=True)
class Proof:
    """What is to be proved of one component.

    Parameters
    ----------
    name : str
    states : str
        What is stated, in a few words.
    harness : callable
        Makes the harness, with the fault of that name or None.
    cycles : int
        Depth of the bounded proof of all claims.
    forever : tuple of tuples of str
        Beginnings of the names of claims that are proved without a bound by ABC;
        those of each inner tuple together.
    induction : int
        Cycles of an induction that proves all claims without a bound; 0 for none.
    faults : tuple of str
        Names of the faults that have to be found.
    fault_cycles : int
        Depth of the search for them, where it is not that of the proof.
    short_cycles : int
        Depth in the short subset, which runs with the tests and leaves out `forever`; 0 if
        this proof is not among it.
    """

    name: str
    states: str
    harness: Callable[[str | None], Harness]
    cycles: int
    forever: tuple[tuple[str, ...], ...] = ()
    induction: int = 0
    faults: tuple[str, ...] = ()
    fault_cycles: int = 0
    short_cycles: int = 0

    def steps(self, *, short: bool, limit: float) -> Iterator[Step]:
        """Put all questions, one after the other; each has `limit` seconds."""
        cycles = self.short_cycles if short else self.cycles
        yield self._bounded(cycles, limit)
        for beginnings in () if short else self.forever:
            yield self._forever(beginnings, limit)
        if self.induction:
            yield self._induction(limit)
        for fault in self.faults:
            yield self._fault(fault, self.fault_cycles or self.cycles, limit)

    def count(self, *, short: bool) -> int:
        """How many steps there are."""
        forever = 0 if short else len(self.forever)
        return 1 + forever + bool(self.induction) + len(self.faults)

    def _bounded(self, cycles: int, limit: float) -> Step:
        def ask() -> tuple[str, int, str]:
            found = prove_bounded(
                self.harness(None), cycles, together=bool(self.induction), limit=limit
            )
            if found.broken is None:
                return "holds", found.claims, ""
            return "fails", found.claims, f"{found.broken} fails in cycle {found.at}\n{found.run}"

        return self._step("bounded", f"{cycles} cycles", cycles, ask)

    def _induction(self, limit: float) -> Step:
        def ask() -> tuple[str, int, str]:
            found = prove_step(self.harness(None), self.induction, limit=limit)
            broken = f"{found.broken} is not inductive\n{found.run}"
            return ("fails", found.claims, broken) if found.broken else ("holds", found.claims, "")

        return self._step("for ever", "all claims, by induction", 0, ask)

    def _forever(self, beginnings: tuple[str, ...], limit: float) -> Step:
        def ask() -> tuple[str, int, str]:
            harness = self.harness(None)
            harness.rtlil()
            group = [name for name in harness.claims if name.startswith(beginnings)]
            broken = prove_forever(harness, [group], limit=limit)
            return "fails" if broken else "holds", len(group), ", ".join(broken)

        return self._step("for ever", ", ".join(beginnings) or "all claims", 0, ask)

    def _fault(self, fault: str, cycles: int, limit: float) -> Step:
        def ask() -> tuple[str, int, str]:
            harness = self.harness(fault)
            only = harness.fault.breaks if harness.fault else ""
            found = prove_bounded(harness, cycles, only=only, limit=limit)
            if found.broken is None:
                return "missed", found.claims, f"no claim {only} fails within {cycles} cycles"
            return "found", 1, f"{found.broken} fails in cycle {found.at}\n{found.run}"

        return self._step("fault", fault, cycles, ask)

    def _step(
        self, kind: str, what: str, cycles: int, ask: Callable[[], tuple[str, int, str]]
    ) -> Step:
        begun, claims = time.monotonic(), 0
        try:
            result, claims, detail = ask()
        except ProofTimeoutError as error:
            result, detail = "timeout", str(error)
        except (FaultError, ProverError) as error:
            result, detail = "error", str(error)
        seconds = time.monotonic() - begun
        return Step(self.name, kind, what, claims, cycles, seconds, result, detail)
