"""Liberty's boolean expressions: as truth tables and as Verilog."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["truth_table", "verilog_expression"]

_TOKEN = re.compile(r"[A-Za-z_]\w*|[01]|[!'&*|+^()]")

#: A name or constant, or an operator ("~", "&", "|", "^") with its operands.
_Tree = str | tuple


@lru_cache(maxsize=4096)
def truth_table(function: str, names: tuple[str, ...]) -> int | None:
    """Bit r is the function's value where input i is bit i of r; None where it has other inputs."""
    tree, table = _parse(function), 0
    for row in range(1 << len(names)):
        value = _value(tree, {name: row >> i & 1 for i, name in enumerate(names)})
        if value is None:
            return None
        table |= value << row
    return table


def verilog_expression(function: str) -> str:
    """The expression in Verilog; every operator is in brackets.

    Liberty writes "and" as ``*``, ``&`` or nothing at all, "or" as ``+`` or ``|``, "not" as ``!``
    in front of or ``'`` behind a term.
    """
    return _verilog(_parse(function))


def _verilog(tree: _Tree) -> str:
    if isinstance(tree, str):
        return f"1'b{tree}" if tree in "01" else tree
    operator, *operands = tree
    if operator == "~":
        return f"(~{_verilog(operands[0])})"
    return f"({_verilog(operands[0])} {operator} {_verilog(operands[1])})"


def _value(tree: _Tree, values: dict[str, int]) -> int | None:
    if isinstance(tree, str):
        return int(tree) if tree and tree in "01" else values.get(tree)
    operands = [_value(operand, values) for operand in tree[1:]]
    if None in operands:
        return None
    first, last = operands[0], operands[-1]
    assert first is not None
    assert last is not None
    return {"~": 1 ^ first, "&": first & last, "|": first | last, "^": first ^ last}[tree[0]]


@lru_cache(maxsize=4096)
def _parse(function: str) -> _Tree:
    tokens = [*_TOKEN.findall(function), ""]
    if tokens == [""]:
        return ""
    tree, at = _either(tokens, 0)
    if tokens[at]:
        raise ValueError(f"function must be a liberty expression, not {function!r}")
    return tree


def _primary(tokens: Sequence[str], at: int) -> tuple[_Tree, int]:
    token = tokens[at]
    if token == "!":
        inner, at = _primary(tokens, at + 1)
        inner = ("~", inner)
    elif token == "(":
        inner, at = _either(tokens, at + 1)
        if tokens[at] != ")":
            raise ValueError("function must have as many closing brackets as opening ones")
        at += 1
    else:
        inner, at = token, at + 1
    while tokens[at] == "'":
        inner, at = ("~", inner), at + 1
    return inner, at


def _exclusive(tokens: Sequence[str], at: int) -> tuple[_Tree, int]:
    # Liberty binds ^ tighter than "and".
    left, at = _primary(tokens, at)
    while tokens[at] == "^":
        right, at = _primary(tokens, at + 1)
        left = ("^", left, right)
    return left, at


def _both(tokens: Sequence[str], at: int) -> tuple[_Tree, int]:
    left, at = _exclusive(tokens, at)
    while tokens[at] not in ("", "|", "+", ")"):
        right, at = _exclusive(tokens, at + (tokens[at] in ("&", "*")))
        left = ("&", left, right)
    return left, at


def _either(tokens: Sequence[str], at: int) -> tuple[_Tree, int]:
    left, at = _both(tokens, at)
    while tokens[at] in ("|", "+"):
        right, at = _both(tokens, at + 1)
        left = ("|", left, right)
    return left, at
