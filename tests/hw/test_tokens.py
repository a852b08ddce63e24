# amaranth: UnusedElaboratable=no
"""Dependency tokens against six integers."""

from __future__ import annotations

import random
import re

import pytest

from lutra.hw.isa import ENGINES, ErrorCode
from lutra.hw.tokens import Tokens

from .helpers import simulate


@pytest.mark.parametrize("bits", [0, 17])
def test_init_wrong_bits(bits: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Bits must be from 1 to 16, not {bits}")):
        Tokens(bits)


def test_init_wrong_type() -> None:
    with pytest.raises(TypeError, match=re.escape("Bits must be an integer, not '8'")):
        Tokens("8")


@pytest.mark.parametrize("seed", range(3))
def test_sim_random(seed: int) -> None:
    dut, rng = Tokens(4), random.Random(seed)
    ports = [dut.load, dut.compute, dut.store]
    counts = {(g, t): 0 for g in ENGINES for t in ENGINES if g != t}

    async def bench(ctx) -> None:
        taken = 0
        for _ in range(800):
            waits = [rng.choice([None, rng.randrange(8) & ~(1 << e)]) for e in ENGINES]
            gives = [rng.choice([None, None, rng.randrange(8) & ~(1 << e)]) for e in ENGINES]
            for engine, port in enumerate(ports):
                give = gives[engine]
                if give is not None:  # keep clear of overflow
                    give &= sum(1 << t for t in ENGINES if counts.get((engine, t), 15) < 15)
                    gives[engine] = give
                ctx.set(port.wait_valid, waits[engine] is not None)
                ctx.set(port.wait, waits[engine] or 0)
                ctx.set(port.signal_valid, give is not None)
                ctx.set(port.signal, give or 0)
            before = dict(counts)
            for engine, port in enumerate(ports):
                if waits[engine] is None:
                    continue
                wanted = [g for g in ENGINES if waits[engine] >> g & 1]
                there = all(before[g, engine] for g in wanted)
                assert ctx.get(port.wait_ready) == there
                if there:
                    taken += len(wanted)
                    for g in wanted:
                        counts[g, engine] -= 1
            for g in ENGINES:
                for t in ENGINES:
                    if gives[g] is not None and gives[g] >> t & 1:
                        counts[g, t] += 1
            await ctx.tick()
        assert taken > 100
        assert not ctx.get(dut.error.valid)

    simulate(dut, bench)


def test_sim_overflow() -> None:
    dut = Tokens(2)

    async def bench(ctx) -> None:
        ctx.set(dut.load.signal, 0b100)
        ctx.set(dut.load.signal_valid, 1)
        ctx.set(dut.store.wait, 0b001)
        for _ in range(3):
            await ctx.tick()
        ctx.set(dut.store.wait_valid, 1)  # one out, one in: still full, no overflow
        await ctx.tick()
        assert not ctx.get(dut.error.valid)
        ctx.set(dut.store.wait_valid, 0)
        await ctx.tick()
        assert ctx.get(dut.error.valid)
        assert ctx.get(dut.error.code) == ErrorCode.TOKEN_OVERFLOW
        ctx.set(dut.load.signal_valid, 0)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.error.valid)

    simulate(dut, bench)
