"""PlaneAccumulator, Rescale and PartialSums against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lutra.hw.config import Config
from lutra.hw.partial_sums import PartialSums
from lutra.hw.plane_accumulator import PlaneAccumulator
from lutra.hw.rescale import Rescale

from .compute_bench import pack_elements

_DEPTHS = {"act_depth": 16, "weight_depth": 16, "scale_depth": 16, "psum_depth": 16}
CONFIGS = [
    Config(lanes=4, tables=2, axi_bits=32, **_DEPTHS),
    Config(rows=2, lanes=3, tables=3, lookup_group=5, max_weight_bits=3, max_shift=1, scale_bits=0,
           axi_bits=32, **_DEPTHS),
    Config(rows=1, lanes=8, act_bits=16, scale_bits=16, psum_bits=64, axi_bits=32, **_DEPTHS),
    # A single plane a weight: nothing is ever added to it.
    Config(rows=2, lanes=4, tables=2, weight_bits=1, max_weight_bits=1, axi_bits=32, **_DEPTHS),
]  # fmt: skip


def _simulate(dut, bench) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("config", CONFIGS)
def test_sim_plane_accumulator(config: Config) -> None:
    dut, rng = PlaneAccumulator(config), np.random.default_rng(1)
    most = config.k_block << config.act_bits - 1

    async def bench(ctx):
        acc = np.zeros(config.rows * config.lanes, object)
        for word in range(30):
            magnitude = 0
            for plane in range(int(rng.integers(1, 9))):
                shift = int(rng.integers(0, config.max_shift + 1))
                magnitude = (magnitude << shift if plane else 0) + 1
                if magnitude >= 1 << config.max_weight_bits:
                    break
                sums = rng.choice([-most, most, 0, int(rng.integers(-most, most))], len(acc))
                signs = 0 if word < 2 else int(rng.integers(0, 1 << config.lanes))
                negative = 0 if word < 2 else int(rng.integers(0, 2))
                if word < 2:
                    sums[:] = most if word else -most
                flip = np.resize([(signs >> n & 1) ^ negative for n in range(config.lanes)],
                                 len(acc))  # fmt: skip
                acc = (acc << shift if plane else 0) + np.where(flip, -sums, sums).astype(object)
                for i, value in enumerate(sums):
                    ctx.set(dut.sums[i], int(value))
                ctx.set(dut.signs, signs)
                ctx.set(dut.control.valid, 1)
                ctx.set(dut.control.first, plane == 0)
                ctx.set(dut.control.shift, shift)
                ctx.set(dut.control.negative, negative)
                await ctx.tick()  # control comes a cycle earlier
                ctx.set(dut.control.valid, 0)
                await ctx.tick()
                for _ in range(int(rng.integers(0, 2))):
                    await ctx.tick()
                assert [ctx.get(dut.acc[i]) for i in range(len(acc))] == list(acc)

    _simulate(dut, bench)


@pytest.mark.parametrize("config", CONFIGS)
def test_sim_rescale(config: Config) -> None:
    dut, rng = Rescale(config), np.random.default_rng(2)
    most = config.k_block << config.act_bits - 1
    half, top = 1 << config.zero_bits - 1, (1 << config.scale_bits) - 1
    widest = most * ((1 << config.max_weight_bits) - 1)

    async def bench(ctx):
        for case in range(60):
            extreme = case < 8
            halve, group = (case & 1, case >> 1 & 1) if extreme else rng.integers(0, 2, 2).tolist()
            limit = 1 << config.max_weight_bits
            coefficient = -limit + halve if extreme else int(rng.integers(-limit, limit)) | halve
            zeros = rng.integers(-half, half, config.lanes)
            scales = rng.integers(0, top + 1, config.lanes)
            if extreme:
                zeros[:], scales[:] = -half, top
            c = (2 * zeros + 1 if halve else zeros) if group else np.full(config.lanes, coefficient)
            sum_x = rng.integers(-most, most + 1, config.rows)
            acc = rng.integers(-widest, widest + 1, (config.rows, config.lanes))
            if extreme:
                sum_x[:] = -most if case & 4 else most
                acc[:] = -widest if case & 4 else widest
            # Halving is only asked for where the sum is even, as the planes of a weight make it.
            full = acc + c * sum_x[:, None]
            acc += halve * (full & 1) * np.where(acc > 0, -1, 1)
            full = acc.astype(object) + c.astype(object) * sum_x[:, None].astype(object)
            expected = (full >> 1 if halve else full) * (
                scales.astype(object) if group and config.scale_bits else 1
            )
            for name in ("halve", "group"):
                ctx.set(getattr(dut, name), int(halve if name == "halve" else group))
            ctx.set(dut.coefficient, coefficient)
            fields = [int(s) | (int(z) & 2 * half - 1) << config.scale_bits
                      for s, z in zip(scales, zeros, strict=True)]  # fmt: skip
            ctx.set(dut.parameters, pack_elements(fields, config.scale_bits + config.zero_bits))
            for i, value in enumerate(acc.ravel()):
                ctx.set(dut.acc[i], int(value))
            for row in range(config.rows):
                ctx.set(dut.rows[row].sum_x, int(sum_x[row]))
            await ctx.tick().repeat(2)  # parameters come two cycles earlier, rows one
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            for _ in range(dut.latency - 1):
                assert ctx.get(dut.out_valid) == 0
                await ctx.tick()
            assert ctx.get(dut.out_valid) == 1
            got = [ctx.get(dut.values[i]) for i in range(acc.size)]
            assert got == list(expected.ravel())

    _simulate(dut, bench)


@pytest.mark.parametrize("full_rate", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_sim_partial_sums(config: Config, full_rate: bool) -> None:
    dut, rng = PartialSums(config), np.random.default_rng(3)
    shape = (config.rows, config.lanes)
    top = (1 << config.psum_bits - 1) - 1
    model: dict[int, np.ndarray] = {}

    async def bench(ctx):
        pending = [None] * (1 + dut.registers)  # what was prefetched, the oldest first
        for step in range(200):
            wanted = full_rate or rng.integers(0, 2)
            address = int(rng.integers(0, 4))
            if wanted and all(p is None or p[0] != address for p in pending):
                clear = int(address not in model or rng.integers(0, 8) == 0)
                ctx.set(dut.prefetch, 1)
                ctx.set(dut.address, address)
                ctx.set(dut.clear, clear)
                upcoming = (address, clear)
            else:
                ctx.set(dut.prefetch, 0)
                upcoming = None
            ctx.set(dut.valid, pending[0] is not None)
            if pending[0]:
                value = rng.integers(-1000, 1000, shape)
                for i, v in enumerate(value.ravel()):
                    ctx.set(dut.values[i], int(v))
                at, cleared = pending[0]
                model[at] = value if cleared else model[at] + value
            await ctx.tick()
            assert ctx.get(dut.overflow) == 0
            pending = [*pending[1:], upcoming]
            if not full_rate and step % 7 == 0 and not any(pending) and model:
                ctx.set(dut.valid, 0)
                ctx.set(dut.prefetch, 0)
                await ctx.tick()
                at = int(rng.choice(list(model)))
                ctx.set(dut.store.valid, 1)
                ctx.set(dut.store.address, at)
                assert ctx.get(dut.store.ready) == 1
                await ctx.tick()
                ctx.set(dut.store.valid, 0)
                await ctx.tick().repeat(dut.registers)
                assert ctx.get(dut.store.data_valid) == 1
                got = [
                    [
                        ctx.get(dut.store.data) >> (n * config.rows + m) * config.psum_bits
                        & 2 * top + 1
                        for n in range(config.lanes)
                    ]
                    for m in range(config.rows)
                ]
                assert got == [[int(v) & 2 * top + 1 for v in row] for row in model[at]]
        ctx.set(dut.prefetch, 1)
        assert ctx.get(dut.store.ready) == 0

    _simulate(dut, bench)


def test_sim_partial_sums_overflow_at_both_ends() -> None:
    config = CONFIGS[0]
    dut, most = PartialSums(config), (1 << config.scaled_bits - 1) - 1
    steps = -(-(1 << config.psum_bits - 1) // most)

    async def bench(ctx):
        for sign in (1, -1):
            for step in range(steps + 1):
                ctx.set(dut.prefetch, 1)
                ctx.set(dut.address, 5)
                ctx.set(dut.clear, step == 0)
                await ctx.tick()
                ctx.set(dut.prefetch, 0)
                await ctx.tick().repeat(dut.registers)
                ctx.set(dut.values[2], sign * most)
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                over = (step + 1) * most > (1 << config.psum_bits - 1) - (sign > 0)
                assert ctx.get(dut.overflow) == over
                if over:
                    assert ctx.get(dut.overflow_address) == 5
                    break

    _simulate(dut, bench)
