"""Adder trees: a plain one, and one in which a common sign travels down with the operands."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed

__all__ = ["add_tree", "signed_tree", "tree_latency", "tree_levels"]


def tree_levels(leaves: int, arity: int = 2) -> int:
    """Adder levels of a tree over `leaves` operands, `arity` to an adder: the log, rounded up."""
    levels = 0
    while leaves > 1:
        leaves, levels = -(-leaves // arity), levels + 1
    return levels


def tree_latency(leaves: int, every: int, arity: int = 2) -> int:
    """Cycles through `signed_tree`: a register after each `every` levels, and at the root."""
    levels = tree_levels(leaves, arity)
    return 1 if not every else max(1, -(-levels // every))


def add_tree(operands: Sequence[Value]) -> Value:
    """Sum of `operands` as a balanced expression, one bit wider a level."""
    level = list(operands)
    while len(level) > 1:
        pairs = [level[i] + level[i + 1] for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def signed_tree(
    m: Module,
    leaves: Sequence[Value],
    subtract: Sequence[Value] | None,
    *,
    every: int,
    name: str,
    bits: int,
) -> Value:
    """Sum of signed leaves whose signs are not applied, but passed on from node to node.

    A leaf u stands for ``-leaf`` where its sign s_u is set. A node adds its right operand b to
    its left one a where their signs agree and subtracts it where they differ; the result has
    the sign of a. No operand is ever negated, and what is left is one sign at the root, s_0.
    ``subtract[u] = s_u ^ s_{u & (u - 1)}`` steers the node whose right operand begins with leaf u
    (nodes pair neighbours level by level, an odd last one passes through); subtract[0] is not used.
    Without `subtract` the leaves are simply added.

    Parameters
    ----------
    every : int
        Levels between two registers; 0 registers the root only. See `tree_latency`.
    bits : int
        Width of a leaf; each level adds one.

    Returns
    -------
    Value
        The root's register; negate it where s_0.
    """
    level = [(leaf, u) for u, leaf in enumerate(leaves)]
    controls = list(subtract or ())
    depth, levels = 0, tree_levels(len(leaves))
    while len(level) > 1:
        depth += 1
        registered = depth == levels or (every > 0 and depth % every == 0)
        domain = m.d.sync if registered else m.d.comb
        above = []
        for i in range(0, len(level) - 1, 2):
            (a, first), (b, u) = level[i], level[i + 1]
            node = Signal(signed(bits + depth), name=f"{name}_{depth}_{first}", reset_less=True)
            if controls:
                # b ^ flip + subtract is -b where it is subtracted: one adder, not an adder and a
                # subtractor with a multiplexer behind them.
                flip = controls[u].replicate(bits + depth - 1)
                domain += node.eq(a + (b.as_unsigned() ^ flip).as_signed() + controls[u])
            else:
                domain += node.eq(a + b)
            above.append((node, first))
        if len(level) % 2:
            leaf, u = level[-1]
            passed = Signal(signed(bits + depth), name=f"{name}_{depth}_{u}", reset_less=True)
            domain += passed.eq(leaf)
            above.append((passed, u))
        if registered and depth < levels:
            controls = _delayed(m, controls, name=f"{name}_{depth}")
        level = above
    if levels == 0:
        root = Signal(signed(bits), name=f"{name}_0", reset_less=True)
        m.d.sync += root.eq(level[0][0])
        return root
    return level[0][0]


def _delayed(m: Module, controls: Sequence[Value], *, name: str) -> list[Value]:
    delayed = []
    for u, control in enumerate(controls):
        later = Signal(name=f"{name}_subtract{u}", reset_less=True)
        m.d.sync += later.eq(control)
        delayed.append(later)
    return delayed
