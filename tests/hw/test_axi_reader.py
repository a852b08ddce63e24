# amaranth: UnusedElaboratable=no
"""The shared read master against a memory that stalls, reorders and fails."""

from __future__ import annotations

import random
import re

import pytest

from lutra.hw.axi_reader import AxiReader
from lutra.hw.config import Config
from lutra.hw.isa import ErrorCode

from .axi_memory import DECERR, SLVERR, AxiMemory
from .helpers import CONFIGS, settle, simulate, stream_put


def test_init_wrong_outstanding() -> None:
    with pytest.raises(ValueError, match=re.escape("Outstanding must be from 1 to 64, not 0")):
        AxiReader(Config(), outstanding=0)


def make(name: str, **options) -> tuple[AxiReader, AxiMemory]:
    dut = AxiReader(CONFIGS[name])
    memory = AxiMemory(dut.bus, **options)
    memory.data[:] = random.Random(9).randbytes(len(memory.data))
    return dut, memory


async def collect(ctx, port, count: int) -> list[int]:
    got = []
    while len(got) < count:
        (data,) = await ctx.tick().sample(port.data).until(port.valid)
        got.append(data)
    return got


@pytest.mark.parametrize(
    ("stall", "latency", "reorder"), [(0, 1, False), (0.4, 1, True), (0, 40, True), (0.2, 9, False)]
)
@pytest.mark.parametrize("name", ["axi32", "axi512"])
def test_sim_both_clients(name: str, stall: float, latency: int, reorder: bool) -> None:
    dut, memory = make(name, stall=stall, latency=latency, reorder=reorder)
    rng, size = random.Random(latency), memory.beat_bytes

    def wanted(requests):
        return [
            int.from_bytes(memory.data[a + i * size : a + (i + 1) * size], "little")
            for a, n in requests for i in range(n)
        ]  # fmt: skip

    def requests(count: int, longest: int):
        pairs = [
            (rng.randrange(memory.size // size), rng.randint(1, longest)) for _ in range(count)
        ]
        return [(a * size, min(n, memory.size // size - a)) for a, n in pairs]

    jobs = [(dut.fetch, requests(12, 8)), (dut.load, requests(12, 64))]

    def put(port, pairs):
        async def bench(ctx) -> None:
            items = [{"address": a, "beats": n} for a, n in pairs]
            await stream_put(ctx, port.requests, items, stall=stall)

        return bench

    def get(port, pairs):
        async def bench(ctx) -> None:
            words = wanted(pairs)
            assert await collect(ctx, port, len(words)) == words
            await settle(ctx, port.quiet)

        return bench

    benches = [f(*job) for job in jobs for f in (put, get)]
    simulate(dut, *benches, background=[memory.read])
    assert {b.id for b in memory.reads} == {0, 1}


@pytest.mark.parametrize("latency", [1, 100])
def test_sim_full_rate(latency: int) -> None:
    """Requests of 16 beats keep the data channel busy, also far from memory."""
    dut, memory = make("axi512", latency=latency, size=1 << 17)
    count = 400

    async def put(ctx) -> None:
        items = [{"address": 1024 * i, "beats": 16} for i in range(count // 16)]
        await stream_put(ctx, dut.load.requests, items)

    async def get(ctx) -> None:
        await collect(ctx, dut.load, count)

    simulate(dut, put, get, background=[memory.read])
    assert memory.read_beats[-1] - memory.read_beats[0] == count - 1
    assert memory.overlap <= 16


def test_sim_fetch_first() -> None:
    """A request of FETCH waits for one burst of LOAD, not for all of them."""
    dut, memory = make("axi32", size=1 << 12)

    async def bench(ctx) -> None:
        ctx.set(dut.load.requests.payload, {"address": 0, "beats": 256})
        ctx.set(dut.load.requests.valid, 1)
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.payload, {"address": 1024 - 4, "beats": 250})
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.valid, 0)
        ctx.set(dut.fetch.requests.payload, {"address": 8, "beats": 1})
        ctx.set(dut.fetch.requests.valid, 1)
        await ctx.tick().until(dut.fetch.requests.ready)
        ctx.set(dut.fetch.requests.valid, 0)
        await settle(ctx, dut.load.quiet, 0)
        await settle(ctx, dut.load.quiet)

    simulate(dut, bench, background=[memory.read])
    assert [b.id for b in memory.reads] in ([1, 0, 1, 1], [1, 1, 0, 1])


@pytest.mark.parametrize("code", [SLVERR, DECERR])
def test_sim_error(code: int) -> None:
    dut, memory = make("axi64", latency=5)
    memory.bad[1024 + 3 * 8] = code

    async def bench(ctx) -> None:
        ctx.set(dut.load.requests.payload, {"address": 1024, "beats": 12})
        ctx.set(dut.load.requests.valid, 1)
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.valid, 0)
        beats = 0
        while not ctx.get(dut.error.valid):
            beats += ctx.get(dut.load.valid)
            await ctx.tick()
        assert beats == 3
        assert ctx.get(dut.error.code) == ErrorCode.READ_RESPONSE
        assert ctx.get(dut.error.address) == 1024
        for _ in range(20):
            assert not ctx.get(dut.load.valid)
            await ctx.tick()
        assert ctx.get(dut.load.quiet)
        ctx.set(dut.halt, 1)
        await ctx.tick()
        ctx.set(dut.halt, 0)
        assert not ctx.get(dut.error.valid)
        ctx.set(dut.load.requests.payload, {"address": 2048, "beats": 2})
        ctx.set(dut.load.requests.valid, 1)
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.valid, 0)
        await collect(ctx, dut.load, 2)

    simulate(dut, bench, background=[memory.read])


def test_sim_halt() -> None:
    """Halting drops what was not asked yet, and counts the rest to its end."""
    dut, memory = make("axi32", latency=20, stall=0.3)

    async def bench(ctx) -> None:
        ctx.set(dut.load.requests.payload, {"address": 0, "beats": 200})
        ctx.set(dut.load.requests.valid, 1)
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.payload, {"address": 4096 - 8, "beats": 100})
        await ctx.tick().until(dut.load.requests.ready)
        ctx.set(dut.load.requests.valid, 0)
        await ctx.tick().repeat(2)
        memory.blocked = True
        await ctx.tick().repeat(30)
        ctx.set(dut.halt, 1)
        assert not ctx.get(dut.load.quiet)
        memory.blocked = False
        while not ctx.get(dut.load.quiet):
            assert not ctx.get(dut.load.valid)
            await ctx.tick()
        ctx.set(dut.halt, 0)
        before = len(memory.reads)
        await ctx.tick().repeat(30)
        assert len(memory.reads) == before
        assert ctx.get(dut.load.quiet)

    simulate(dut, bench, background=[memory.read])
