"""Property-directed reachability with ABC: claims hold in every cycle, however many there are."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .harness import Harness
from .netlist import write_aiger
from .tools import ProofTimeoutError, ProverError, abc

__all__ = ["prove_forever"]

# `fold` makes the assumptions part of the claim, `orpos` one claim of several; `scorr` merges
# registers that are always equal, such as those of a component and of its model. Where nothing but
# a combinational circuit is left of a claim, `sat` decides instead of `pdr`.
_COMMANDS = "read_aiger {i}.aig; fold; strash; dc2; orpos; scorr; dc2; pdr -T {limit}; sat"


def prove_forever(
    harness: Harness, groups: Sequence[Sequence[str]], *, limit: float = 600.0
) -> list[str]:
    """Prove the claims of each group together, without a bound on the cycles.

    ABC's `pdr` (Een, Mishchenko, Brayton, "Efficient implementation of property directed
    reachability", FMCAD 2011) looks for an invariant that implies the claims, and checks the one
    it finds: a proof by induction whose hypothesis is found, not given.

    Parameters
    ----------
    groups : sequence of sequences of str
        Names of claims.
    limit : float
        Seconds for all of them.

    Returns
    -------
    list of str
        The first group in which a claim fails; empty if all hold.

    Raises
    ------
    ProofTimeoutError
        There was no answer within `limit`.
    ProverError
        A tool is missing or failed.
    """
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lutra-formal-") as name:
        write_aiger(harness, groups, Path(name), limit)
        for i, group in enumerate(groups):
            left = limit - (time.monotonic() - begun)
            if left < 1:
                raise ProofTimeoutError(f"no time was left for {', '.join(group)}")
            report = abc(_COMMANDS.format(i=i, limit=int(left)), Path(name), left + 10)
            if "was asserted in frame" in report:
                return list(group)
            if "Property proved" not in report and "UNSATISFIABLE" not in report:
                if "imeout" in report:
                    raise ProofTimeoutError(f"abc: {', '.join(group)} undecided in time")
                raise ProverError(f"abc did not decide:\n{report[-2000:]}")
    return []
