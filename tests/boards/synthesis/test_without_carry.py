"""Short arithmetic without carry cells: proved equal by Yosys, and all of it mapped."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from lutra.boards.synthesis.yosys import run_yosys


def _module(signed: str) -> str:
    """Every operator, with constants on either side, of more and of fewer bits."""
    constants = ("-3", "0", "5", "-40") if signed else ("0", "1", "8", "9", "63", "200")
    tests = [f"a {op} {c}" for op in ("<", "<=", ">", ">=") for c in constants]
    tests += [f"{c} {op} a" for op in ("<", ">=") for c in constants]
    sums = [f"a {op} {c}" for op in "+-" for c in constants] + ["a + b", "b - a", "5 - b"]
    outputs = [f"output y{i}" for i in range(len(tests) + 1)]
    outputs += [f"output {signed} [7:0] s{i}" for i in range(len(sums))]
    lines = [f"  assign y{i} = {test};" for i, test in enumerate([*tests, "a < b"])]
    lines += [f"  assign s{i} = {total};" for i, total in enumerate(sums)]
    ports = ", ".join((f"input {signed} [5:0] a", f"input {signed} [5:0] b", *outputs))
    return "\n".join([f"module top({ports});", *lines, "endmodule"])


@pytest.mark.parametrize("signed", ["", "signed"], ids=["unsigned", "signed"])
def test_mapped_arithmetic_is_equal(signed: str, tmp_path: Path) -> None:
    name = "without_carry.v"
    source = resources.files("lutra.boards.synthesis").joinpath(name)
    (tmp_path / name).write_text(source.read_text("utf-8"))
    (tmp_path / "top.v").write_text(_module(signed))
    log = run_yosys(
        (
            "read_verilog top.v", "hierarchy -top top", "proc", "rename top gold",
            "copy gold gate", "wreduce",
            f"techmap -D CONSTANT=64 -D BOTH=64 -map {name} gate", "opt_clean",
            "select -assert-count 1 gate/t:$lt gate/t:$le gate/t:$gt gate/t:$ge %u %u %u",
            "select -assert-none gate/t:$add gate/t:$sub %u",
            "miter -equiv -flatten gold gate miter", "sat -verify -prove trigger 0 miter",
        ),
        folder=tmp_path,
    )  # fmt: skip
    assert "SAT proof finished - no model found: SUCCESS!" in log
