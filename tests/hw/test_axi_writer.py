# amaranth: UnusedElaboratable=no
"""The write master against a memory that stalls and fails."""

from __future__ import annotations

import random
import re

import pytest

from lutra.hw.axi_writer import AxiWriter
from lutra.hw.config import Config
from lutra.hw.isa import ErrorCode

from .axi_memory import DECERR, SLVERR, AxiMemory
from .helpers import CONFIGS, settle, simulate, stream_put


def test_init_wrong_outstanding() -> None:
    with pytest.raises(ValueError, match=re.escape("Outstanding must be from 1 to 64, not 65")):
        AxiWriter(Config(), outstanding=65)


def make(name: str, **options) -> tuple[AxiWriter, AxiMemory]:
    dut = AxiWriter(CONFIGS[name])
    memory = AxiMemory(dut.bus, **options)
    memory.data[:] = random.Random(9).randbytes(len(memory.data))
    return dut, memory


@pytest.mark.parametrize(("stall", "latency"), [(0, 1), (0.4, 1), (0, 50), (0.2, 9)])
@pytest.mark.parametrize("name", ["axi32", "axi512"])
def test_sim_random(name: str, stall: float, latency: int) -> None:
    dut, memory = make(name, stall=stall, latency=latency)
    rng, size = random.Random(latency), memory.beat_bytes
    requests, beats, image = [], [], bytearray(memory.data)
    for _ in range(16):
        count = rng.randint(1, 70)
        address = rng.randrange(memory.size // size - count) * size
        requests.append({"address": address, "beats": count})
        for i in range(count):
            data, strobe = rng.randbytes(size), rng.choice([-1, rng.getrandbits(size)])
            strobe &= (1 << size) - 1
            beats.append({"data": int.from_bytes(data, "little"), "strobe": strobe})
            for k in range(size):
                if strobe >> k & 1:
                    image[address + i * size + k] = data[k]
    done = []

    async def ask(ctx) -> None:
        await stream_put(ctx, dut.client.requests, requests, stall=stall)

    async def send(ctx) -> None:
        await stream_put(ctx, dut.client.beats, beats, stall=stall / 2, seed=8)
        await settle(ctx, dut.client.quiet)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.error.valid)

    async def count_done(ctx) -> None:
        while True:
            _, _, strobe = await ctx.tick().sample(dut.client.done)
            if strobe:
                done.append(len(memory.strobes))

    simulate(dut, ask, send, background=[memory.write, count_done])
    assert memory.data == image
    assert len(done) == len(requests)
    ends = [sum(r["beats"] for r in requests[: i + 1]) for i in range(len(requests))]
    assert all(seen >= end for seen, end in zip(done, ends, strict=True))
    assert max(b.beats for b in memory.writes) <= 16


@pytest.mark.parametrize("latency", [1, 60])
def test_sim_full_rate(latency: int) -> None:
    dut, memory = make("axi512", latency=latency)
    count = 256

    async def ask(ctx) -> None:
        requests = [{"address": 1024 * i, "beats": 16} for i in range(count // 16)]
        await stream_put(ctx, dut.client.requests, requests)

    async def send(ctx) -> None:
        beats = [{"data": i, "strobe": -1 & (1 << 64) - 1} for i in range(count)]
        await stream_put(ctx, dut.client.beats, beats)
        await settle(ctx, dut.client.quiet)

    simulate(dut, ask, send, background=[memory.write])
    assert memory.write_beats[-1] - memory.write_beats[0] == count - 1


@pytest.mark.parametrize("code", [SLVERR, DECERR])
def test_sim_error(code: int) -> None:
    dut, memory = make("axi64", latency=5)
    memory.bad[2048 + 17 * 8] = code
    done = []

    async def count_done(ctx) -> None:
        while True:
            _, _, strobe = await ctx.tick().sample(dut.client.done)
            done.append(strobe)

    async def bench(ctx) -> None:
        await stream_put(ctx, dut.client.requests, [{"address": 2048, "beats": 40}])
        await stream_put(ctx, dut.client.beats, [{"data": 1, "strobe": 255}] * 40)
        await settle(ctx, dut.client.quiet)
        await ctx.tick()
        assert ctx.get(dut.error.valid)
        assert ctx.get(dut.error.code) == ErrorCode.WRITE_RESPONSE
        assert ctx.get(dut.error.address) == 2048 + 16 * 8
        assert not any(done)
        ctx.set(dut.halt, 1)
        await ctx.tick()
        ctx.set(dut.halt, 0)
        assert not ctx.get(dut.error.valid)

    simulate(dut, bench, background=[memory.write, count_done])


@pytest.mark.parametrize("given", [0, 5, 16, 20])
def test_sim_halt(given: int) -> None:
    """Bursts under way are completed without a byte changing, and the bus works afterwards."""
    dut, memory = make("axi32", latency=3, stall=0.3)
    before = bytearray(memory.data)

    async def bench(ctx) -> None:
        requests = [{"address": 0, "beats": 100}]
        await stream_put(ctx, dut.client.requests, requests)
        beats = [{"data": 0xA5A5A5A5, "strobe": 15}] * given
        await stream_put(ctx, dut.client.beats, beats)
        await ctx.tick().repeat(30)
        ctx.set(dut.halt, 1)
        ctx.set(dut.client.beats.valid, 1)  # must not be taken any more
        assert not ctx.get(dut.client.quiet)
        await settle(ctx, dut.client.quiet)
        ctx.set(dut.client.beats.valid, 0)
        await ctx.tick().repeat(5)
        ctx.set(dut.halt, 0)
        assert memory.data[: 4 * given] == b"\xa5" * 4 * given
        assert memory.data[4 * given :] == before[4 * given :]
        await stream_put(ctx, dut.client.requests, [{"address": 4096, "beats": 3}])
        await stream_put(ctx, dut.client.beats, [{"data": 7, "strobe": 15}] * 3)
        await settle(ctx, dut.client.done)
        assert memory.data[4096:4108] == b"\7\0\0\0" * 3

    simulate(dut, bench, background=[memory.write])


def test_sim_data_before_address() -> None:
    """Data does not wait for the address to be taken."""
    dut = AxiWriter(CONFIGS["axi32"])

    async def bench(ctx) -> None:
        ctx.set(dut.bus.wready, 1)
        await stream_put(ctx, dut.client.requests, [{"address": 0, "beats": 2}])
        await stream_put(ctx, dut.client.beats, [{"data": 7, "strobe": 15}] * 2)
        await ctx.tick()
        assert ctx.get(dut.bus.awvalid)
        assert not ctx.get(dut.bus.wvalid)

    simulate(dut, bench)
