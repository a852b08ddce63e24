"""LookupTree on generic adders against sums with signs, parities stripped or not, any arity."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from lutra.hw.adder_tree import tree_latency, tree_levels
from lutra.hw.config import Config
from lutra.hw.devices import Device
from lutra.hw.lookup_tree import LookupTree
from lutra.hw.table import encode_signs


class _Bench(Component):
    """One tree of a configuration, on adders that any simulator knows."""

    def __init__(self, config: Config) -> None:
        self._config = c = config
        super().__init__(
            {
                "leaves": In(data.ArrayLayout(signed(c.entry_bits - c.parity_bits), c.tables)),
                "parities": In(c.tables),
                "subtract": In(c.tables),
                "total": Out(signed(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        parities = list(self.parities) if c.parity_bits else None
        tree = LookupTree(m, c, Device(), parities, name="tree")
        subtract = list(self.subtract) if c.table_form == "half" else None
        m.d.comb += self.total.eq(tree.sum(list(self.leaves), subtract, name="lane"))
        return m


_SHAPES = [(1, 0, "half"), (2, 1, "half"), (5, 0, "half"), (6, 2, "half"), (8, 1, "half"),
           (13, 1, "half"), (24, 3, "half"), (1, 1, "full"), (2, 1, "full"), (9, 1, "full"),
           (11, 2, "full"), (13, 0, "full"), (27, 1, "full")]  # fmt: skip


@pytest.mark.parametrize("pe", ["lut", "lut3"])
@pytest.mark.parametrize(("tables", "every", "form"), _SHAPES)
def test_sim_sums(pe: str, tables: int, every: int, form: str):
    # Three operands an adder where tables are full, as on the 7 series.
    c = Config(
        pe=pe, tables=tables, lookup_group=5 if pe == "lut" else 3, tree_pipeline=every, lanes=16,
        table_form=form, table_banks=1, table_storage="lutram", axi_bits=32, psum_bits=40,
        device="xc7" if form == "full" else "ecp5",
    )  # fmt: skip
    dut, rng = _Bench(c), np.random.default_rng(tables)
    latency = tree_latency(tables, every, c.tree_arity)
    most = c.lookup_group << c.act_bits - 1
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    async def bench(ctx):
        expected, parity = [], rng.integers(0, 2, tables)
        for cycle in range(60):
            entries = rng.integers(-most, most, tables)
            if cycle % 4 == 0:
                entries[:] = rng.choice([-most, most - 2], tables)
            if c.parity_bits:
                # All entries of a table have the same lowest bit for as long as it is in use.
                entries = np.clip(entries & ~1 | parity, -most + parity, most - 2 + parity)
            sign = rng.integers(0, 2, tables) if form == "half" else np.zeros(tables, np.int64)
            for i, entry in enumerate(entries):
                ctx.set(dut.leaves[i], int(entry) >> c.parity_bits)
            ctx.set(dut.parities, sum(int(p) << i for i, p in enumerate(parity)))
            stored = encode_signs(sign)
            ctx.set(dut.subtract, sum(int(s) << i for i, s in enumerate(stored)))
            # The sum has the sign of the first leaf taken out.
            total = int((entries * (1 - 2 * sign)).sum()) * (1 - 2 * int(sign[0]))
            expected.append(total)
            if cycle >= latency:
                assert ctx.get(dut.total) == expected[cycle - latency]
            await ctx.tick()

    sim.add_testbench(bench)
    sim.run()


def test_levels():
    assert [tree_levels(n) for n in (1, 2, 3, 4, 5, 24, 32)] == [0, 1, 2, 2, 3, 5, 5]
    assert [tree_levels(n, 3) for n in (1, 2, 3, 4, 9, 10, 27)] == [0, 1, 1, 2, 2, 3, 3]
