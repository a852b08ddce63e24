from __future__ import annotations

import pytest

from lutra.boards.asic.expressions import truth_table, verilog_expression


@pytest.mark.parametrize(
    ("function", "table"),
    [
        ("A", 0b1010),
        ("!A", 0b0101),
        ("A'", 0b0101),
        ("(A B)", 0b1000),
        ("A*B", 0b1000),
        ("A & B'", 0b0010),
        ("A+B", 0b1110),
        ("(A|B)'", 0b0001),
        ("!(A B)", 0b0111),
        ("A^B", 0b0110),
        ("!A^B", 0b1001),
        ("A B^1", 0b0010),  # ^ binds tighter than "and"
        ("0", 0b0000),
    ],
)
def test_truth_table(function: str, table: int):
    assert truth_table(function, ("A", "B")) == table


def test_unknown_name():
    assert truth_table("A & C", ("A", "B")) is None
    assert truth_table("", ("A",)) is None


def test_verilog():
    assert verilog_expression("(!((A B)+C'))") == "(~((A & B) | (~C)))"
    assert verilog_expression("1") == "1'b1"


@pytest.mark.parametrize("function", ["(A", "A)"])
def test_brackets(function: str):
    with pytest.raises(ValueError, match="function must"):
        verilog_expression(function)
