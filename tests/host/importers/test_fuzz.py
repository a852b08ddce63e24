from __future__ import annotations

from .fuzz import KINDS, fuzz

#: A slice of the million that docs/importers.md records; takes about five seconds.
INPUTS = 8000


def test_damaged_inputs_end_with_named_errors():
    found = fuzz(0, INPUTS)
    assert {kind: counts.total() for kind, counts in found.items()} == dict.fromkeys(
        KINDS, INPUTS // len(KINDS)
    )
    # Some of the damage must go unnoticed, or the deeper code was never reached.
    assert all(found[kind]["read"] > INPUTS // 50 for kind in KINDS[:3])
    assert found["program"]["done"] > INPUTS // 50
