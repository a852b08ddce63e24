"""TableBuilder against `hw.table.build_table`."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lutra.hw.config import Config
from lutra.hw.table import build_table, gray_order
from lutra.hw.table_builder import TableBuilder

from .compute_bench import pack_elements

_DEPTHS = {"act_depth": 16, "weight_depth": 16, "scale_depth": 16, "psum_depth": 16}


def _config(group: int, tables: int, rows: int, act_bits: int) -> Config:
    return Config(lookup_group=group, tables=tables, rows=rows, lanes=32, act_bits=act_bits,
                  psum_bits=48, axi_bits=32, **_DEPTHS)  # fmt: skip


@pytest.mark.parametrize(
    ("group", "tables", "rows", "act_bits"),
    [(2, 1, 1, 8), (3, 3, 2, 4), (4, 2, 1, 8), (5, 2, 2, 16), (6, 1, 1, 2)],
)
def test_sim_tables(group: int, tables: int, rows: int, act_bits: int) -> None:
    config = _config(group, tables, rows, act_bits)
    rng = np.random.default_rng(group)
    low, high = -(1 << act_bits - 1), (1 << act_bits - 1) - 1
    blocks = rng.integers(low, high + 1, (6, config.k_block, rows))
    blocks[0], blocks[1], blocks[2, ::2] = low, high, low
    dut = TableBuilder(config)
    written: list[dict[int, list[int]]] = []
    sums: list[list[int]] = []
    starts: list[int] = []

    async def feed(ctx):
        ctx.set(dut.free, 1)
        for block in blocks:
            ctx.set(dut.x.valid, 1)
            ctx.set(dut.x.payload, pack_elements(block, config.act_elem_bits))
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)
            for _ in range(int(rng.integers(0, 2)) * 20):
                await ctx.tick()

    async def watch(ctx):
        cycle, table, bank = 0, {}, 0
        while len(written) < len(blocks):
            if ctx.get(dut.x.valid) and ctx.get(dut.x.ready):
                starts.append(cycle)
            if ctx.get(dut.write):
                table[ctx.get(dut.index)] = [ctx.get(dut.entries[t]) for t in range(rows * tables)]
                bank = ctx.get(dut.bank)
            if ctx.get(dut.done):
                # The first block's tables are complete exactly build_cycles after its transfer.
                assert cycle == starts[len(written)] + config.build_cycles + 1
                written.append(table)
                sums.append([ctx.get(dut.rows[bank][row].sum_x) for row in range(rows)])
                table = {}
            await ctx.tick()
            cycle += 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(feed, background=True)
    sim.add_testbench(watch)
    sim.run()

    for block, table, sum_x in zip(blocks, written, sums, strict=True):
        x = block.T.reshape(rows, tables, group)
        assert list(table) == gray_order(group).tolist()
        got = np.array([table[i] for i in range(len(table))]).T.reshape(rows, tables, -1)
        np.testing.assert_array_equal(got, build_table(x))
        assert sum_x == block.sum(0).tolist()


def test_sim_full_rate_leaves_no_gap() -> None:
    config = _config(4, 2, 1, 8)
    dut = TableBuilder(config)
    taken: list[int] = []

    async def bench(ctx):
        ctx.set(dut.free, 1)
        ctx.set(dut.x.valid, 1)
        for cycle in range(100):
            if ctx.get(dut.x.ready):
                taken.append(cycle)
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert set(np.diff(taken)) == {config.build_cycles}


def test_sim_waits_for_a_free_bank() -> None:
    dut = TableBuilder(_config(4, 2, 1, 8))

    async def bench(ctx):
        ctx.set(dut.x.valid, 1)
        for _ in range(5):
            assert ctx.get(dut.x.ready) == 0
            await ctx.tick()
        ctx.set(dut.free, 1)
        assert ctx.get(dut.x.ready) == 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
