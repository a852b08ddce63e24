"""``python -m lutra.tb.formal``."""

import json

import pytest
from typer.testing import CliRunner

from lutra.tb.formal import __main__ as command
from lutra.tb.formal.bursts import BurstsHarness
from lutra.tb.formal.proof import Proof


def invoke(*arguments: str):
    return CliRunner().invoke(command.app, arguments)


@pytest.fixture
def proofs(monkeypatch):
    """Set what there is to be proved."""
    return lambda *proofs: monkeypatch.setattr(command, "PROOFS", proofs)


def test_json(proofs):
    proofs(Proof("a", "b", BurstsHarness, 2, faults=("offset kept",), fault_cycles=5))
    outcome = invoke("--json", "--jobs", "1")
    assert outcome.exit_code == 0
    printed = json.loads(outcome.stdout)
    values = {result["name"]: result["value"] for result in printed["results"]}
    assert values["formal.passed"] == values["formal.steps"] == 2
    assert values["formal.faults.found"] == 1
    assert [step["result"] for step in printed["steps"]] == ["holds", "found"]


def test_failure(proofs):
    proofs(Proof("a", "b", lambda fault: BurstsHarness("offset kept"), 5))
    outcome = invoke("--jobs", "1")
    assert outcome.exit_code == 1
    assert "in_order fails in cycle" in outcome.stderr
    assert "dut.offset" in outcome.stderr


def test_missed_fault_is_a_failure(proofs):
    proofs(Proof("a", "b", BurstsHarness, 1, faults=("offset kept",)))
    outcome = invoke("--jobs", "1")
    assert outcome.exit_code == 1
    assert "missed" in outcome.stdout


def test_timeout_is_a_failure(proofs):
    proofs(Proof("a", "b", BurstsHarness, 30))
    outcome = invoke("--jobs", "1", "--limit", "3")
    assert outcome.exit_code == 1
    assert "timeout" in outcome.stdout


def test_unknown_filter():
    outcome = invoke("--filter", "nonsense")
    assert outcome.exit_code == 2
    assert "bursts" in outcome.stderr
