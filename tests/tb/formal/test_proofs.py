"""The short subset of the proofs, with the faults that they have to find."""

import pytest

from lutra.tb.formal.proofs import PROOFS

SHORT = [proof for proof in PROOFS if proof.short_cycles]


@pytest.mark.parametrize("proof", SHORT, ids=lambda p: p.name)
def test_short_subset(proof):
    for step in proof.steps(short=True, limit=120.0):
        assert step.good, f"{step.kind} {step.what}: {step.result}\n{step.detail}"
        if step.kind == "fault":
            assert "fails in cycle" in step.detail


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.name)
def test_faults_can_be_built_in(proof):
    """Each changes a text that must occur once in the component: it has to follow the sources."""
    sound = proof.harness(None).rtlil()
    for fault in proof.faults:
        assert proof.harness(fault).rtlil() != sound


def test_names_are_unique():
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)
