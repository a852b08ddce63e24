"""Every processing element against plane sums, with random stalls and at full rate."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lutra.hw.config import Config
from lutra.hw.digits import digit_range, encode_digits
from lutra.hw.processing_element import create_processing_element
from lutra.hw.table_quantiser import quantised_plane_sum, table_shift

from .compute_bench import pack_elements, random_digits

_DEPTHS = {"act_depth": 16, "weight_depth": 16, "scale_depth": 16, "psum_depth": 16}
CONFIGS = {
    "lut": Config(lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    "lut_m2_piped": Config(
        rows=2, lanes=3, tables=5, lookup_group=3, tree_pipeline=1, axi_bits=32, **_DEPTHS
    ),
    "lut3": Config(pe="lut3", lanes=4, tables=3, lookup_group=3, axi_bits=32, **_DEPTHS),
    "lut3_m2": Config(
        pe="lut3",
        rows=2,
        lanes=3,
        tables=4,
        lookup_group=3,
        tree_pipeline=1,
        axi_bits=32,
        **_DEPTHS,
    ),
    "lut_q8": Config(lanes=4, tables=2, table_bits=8, axi_bits=32, **_DEPTHS),
    "lut_q5_m2": Config(
        rows=2,
        lanes=4,
        tables=3,
        lookup_group=3,
        act_bits=7,
        table_bits=5,
        act_exponent_bits=3,
        psum_bits=48,
        axi_bits=32,
        **_DEPTHS,
    ),
    "lut3_q6": Config(
        pe="lut3", lanes=4, tables=3, lookup_group=3, table_bits=6, axi_bits=32, **_DEPTHS
    ),
    "mac_exponents": Config(
        pe="mac", rows=2, lanes=4, tables=2, act_exponent_bits=2, axi_bits=32, **_DEPTHS
    ),
    "bitserial_exponents": Config(
        pe="bitserial", lanes=4, tables=2, act_exponent_bits=5, psum_bits=64, axi_bits=32, **_DEPTHS
    ),
    "add": Config(pe="add", rows=2, lanes=4, tables=3, axi_bits=32, **_DEPTHS),
    "mac": Config(pe="mac", lanes=4, tables=2, lookup_group=3, axi_bits=32, **_DEPTHS),
    "mac8": Config(pe="mac", weight_bits=8, lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    "mac1": Config(pe="mac", weight_bits=1, rows=2, lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    "shiftadd": Config(
        pe="shiftadd",
        weight_bits=4,
        max_shift=4,
        lanes=4,
        tables=2,
        tree_pipeline=2,
        axi_bits=32,
        **_DEPTHS,
    ),
    "bitserial": Config(pe="bitserial", lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    "xnor": Config(pe="bitserial", popcount="xnor", lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    "xnor_m2": Config(
        pe="bitserial",
        popcount="xnor",
        rows=2,
        lanes=3,
        tables=4,
        lookup_group=3,
        act_bits=5,
        act_exponent_bits=2,
        axi_bits=32,
        **_DEPTHS,
    ),
    "bitserial_m2": Config(
        pe="bitserial",
        rows=2,
        lanes=3,
        tables=4,
        lookup_group=3,
        act_bits=5,
        axi_bits=32,
        **_DEPTHS,
    ),
}


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_plane_sums(name: str, stalls: bool) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng(3)
    low, high = -(1 << config.act_bits - 1), (1 << config.act_bits - 1) - 1
    blocks = rng.integers(low, high + 1, (8, config.k_block, config.rows))
    blocks[0], blocks[1] = low, high
    blocks[2] //= 8  # smaller ones, which quantised tables hold with a smaller shift
    exponents = rng.integers(0, config.max_exponent + 1, (len(blocks), config.rows))
    words = random_digits(config, rng, (len(blocks), 5, config.lanes, config.k_block))
    words[:, 0], words[:, 1] = digit_range(config)[:2]
    stored = encode_digits(words, config)
    passes = config.act_bits if config.pe == "bitserial" else 1
    dut = create_processing_element(config)
    loaded, results = [0], []

    async def feed(ctx):
        for block, exponent in zip(blocks, exponents, strict=True):
            for _ in range(int(rng.integers(0, 30)) if stalls else 0):
                await ctx.tick()
            ctx.set(dut.x.valid, 1)
            word = pack_elements(block, config.act_elem_bits)
            if config.act_exponent_bits:
                word |= pack_elements(exponent, 8) << config.k_block * config.rows * (
                    config.act_elem_bits
                )
            ctx.set(dut.x.payload, word)
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)

    async def count(ctx):
        async for *_, strobe in ctx.tick().sample(dut.loaded):
            loaded[0] += strobe

    async def drive(ctx):
        due: list[int] = []
        cycle = 0

        async def step():
            nonlocal cycle
            await ctx.tick()
            cycle += 1
            if due and due[0] == cycle:
                due.pop(0)
                signs = ctx.get(dut.signs)
                sums = [[ctx.get(dut.sums[m * config.lanes + n]) * (1 - 2 * (signs >> n & 1))
                         for n in range(config.lanes)] for m in range(config.rows)]  # fmt: skip
                terms = [dut.rows[m] for m in range(config.rows)]
                results.append(
                    (sums, *([ctx.get(t[name]) for t in terms]
                             for name in ("sum_x", "shift", "exponent")))
                )  # fmt: skip

        for block in range(len(blocks)):
            while loaded[0] <= block:
                await step()
            for i, word in enumerate(stored[block]):
                for act_plane in reversed(range(passes)):
                    while stalls and rng.integers(0, 3) == 0:
                        ctx.set(dut.control.valid, 0)
                        await step()
                    ctx.set(dut.weights, pack_elements(word, 1))
                    ctx.set(dut.control.valid, 1)
                    ctx.set(dut.control.act_plane, act_plane)
                    ctx.set(dut.control.act_first, act_plane == passes - 1)
                    ctx.set(dut.control.act_last, act_plane == 0)
                    ctx.set(dut.control.release, act_plane == 0 and i == len(stored[block]) - 1)
                    if act_plane == 0:
                        due.append(cycle + dut.latency)
                    await step()
                    ctx.set(dut.control.valid, 0)
        while due:
            await step()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(feed, background=True)
    sim.add_testbench(count, background=True)
    sim.add_testbench(drive)
    sim.run()

    got = iter(results)
    for block, exponent, planes in zip(blocks, exponents, words, strict=True):
        x = block.T
        for word in planes:
            sums, sum_x, shifts, found = next(got)
            if config.table_bits:
                np.testing.assert_array_equal(sums, quantised_plane_sum(x[:, None], word, config))
                assert shifts == table_shift(x, config).tolist()
            else:
                np.testing.assert_array_equal(sums, x @ word.T)
                assert shifts == [0] * config.rows
            assert sum_x == block.sum(0).tolist()
            assert found == (exponent if config.act_exponent_bits else 0 * exponent).tolist()
