"""Adder trees against sums of signed operands."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from lutra.hw.adder_tree import add_tree, signed_tree, tree_latency, tree_levels
from lutra.hw.table import sign_parent


@pytest.mark.parametrize(("leaves", "levels"), [(1, 0), (2, 1), (3, 2), (8, 3), (9, 4)])
def test_tree_levels(leaves: int, levels: int) -> None:
    assert tree_levels(leaves) == levels


@pytest.mark.parametrize("every", [0, 1, 2, 3])
@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 7, 8, 13])
def test_sim_signed_tree(leaves: int, every: int) -> None:
    bits, cases = 5, 60
    rng = np.random.default_rng(leaves)
    values = rng.integers(-16, 16, (cases, leaves))
    values[0], values[1] = -16, 15
    values[2] = np.resize([15, -16], leaves)
    signs = rng.integers(0, 2, (cases, leaves))
    signs[2] = np.resize([0, 1], leaves)

    m = Module()
    inputs = [Signal(signed(bits), name=f"leaf{i}") for i in range(leaves)]
    subtract = [Signal(name=f"subtract{i}") for i in range(leaves)]
    root = signed_tree(m, inputs, subtract, every=every, name="tree", bits=bits)
    latency = tree_latency(leaves, every)
    parent = sign_parent(leaves)

    async def bench(ctx):
        for case in range(cases + latency):
            if case >= latency:
                done = case - latency
                total = int((values[done] * (1 - 2 * signs[done])).sum())
                # The tree leaves the sign of its first leaf to whoever takes the root.
                assert ctx.get(root) * (1 - 2 * int(signs[done][0])) == total
            if case < cases:
                stored = signs[case] ^ np.where(np.arange(leaves) > 0, signs[case][parent], 0)
                for u in range(leaves):
                    ctx.set(inputs[u], int(values[case][u]))
                    ctx.set(subtract[u], int(stored[u]))
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("leaves", [1, 2, 3, 6, 11])
def test_sim_add_tree(leaves: int) -> None:
    m = Module()
    inputs = [Signal(signed(6), name=f"leaf{i}") for i in range(leaves)]
    total = Signal(signed(12))
    m.d.comb += total.eq(add_tree(inputs))
    rng = np.random.default_rng(leaves)

    async def bench(ctx):
        for _ in range(50):
            values = rng.integers(-32, 32, leaves)
            for signal, value in zip(inputs, values, strict=True):
                ctx.set(signal, int(value))
            assert ctx.get(total) == values.sum()

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()
