"""FETCH with its read master and a memory."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect

from lutra.hw.axi_reader import AxiReader
from lutra.hw.config import Config
from lutra.hw.fetch import Fetch, prefetch_beats
from lutra.hw.isa import ErrorCode

from .axi_memory import AxiMemory
from .helpers import settle, simulate, stream_get

#: Widths that assemble, match and split instructions.
CONFIGS = {
    32: Config(axi_bits=32),
    64: Config(axi_bits=64),
    128: Config(axi_bits=128),
    512: Config(axi_bits=512),
    1024: Config(axi_bits=1024, lanes=32),
}


class Bench:
    def __init__(self, axi_bits: int, *, fields: dict | None = None, **options) -> None:
        self.config = c = replace(CONFIGS[axi_bits], **(fields or {}))
        self.dut, self.reader = Fetch(c), AxiReader(c)
        self.top = Module()
        self.top.submodules += [self.dut, self.reader]
        connect(self.top, self.dut.memory, self.reader.fetch)
        self.memory = AxiMemory(self.reader.bus, **options)
        self.memory.data[:] = random.Random(5).randbytes(len(self.memory.data))

    def word(self, address: int) -> int:
        address -= self.memory.base
        return int.from_bytes(self.memory.data[address : address + 16], "little")

    def run(self, base: int, length: int, then, **options) -> None:
        async def bench(ctx) -> None:
            ctx.set(self.dut.base, base)
            ctx.set(self.dut.length, length)
            ctx.set(self.dut.start, 1)
            await ctx.tick()
            ctx.set(self.dut.start, 0)
            await then(ctx)

        simulate(self.top, bench, background=[self.memory.read], **options)


@pytest.mark.parametrize(("stall", "latency"), [(0, 1), (0.4, 1), (0.1, 50)])
@pytest.mark.parametrize("length", [1, 5, 37, 150])
@pytest.mark.parametrize("axi_bits", CONFIGS)
def test_sim_program(axi_bits: int, length: int, stall: float, latency: int) -> None:
    bench = Bench(axi_bits, stall=stall, latency=latency)
    base = 4096 - axi_bits // 8

    async def get(ctx) -> None:
        assert not ctx.get(bench.dut.exhausted)
        got = await stream_get(ctx, bench.dut.instructions, length, stall=stall)
        wanted = [(bench.word(base + 16 * i), base + 16 * i) for i in range(length)]
        assert [(i.bits, i.address) for i in got] == wanted
        await settle(ctx, bench.dut.exhausted)
        assert ctx.get(bench.dut.instructions.payload.address) == base + 16 * length
        await ctx.tick().repeat(2 * latency)
        assert ctx.get(bench.dut.memory.quiet)
        assert not ctx.get(bench.dut.error.valid)
        assert not ctx.get(bench.dut.instructions.valid)

    bench.run(base, length, get)
    asked = sum(b.beats for b in bench.memory.reads)
    assert asked == -(-length * 128 // axi_bits)  # nothing past the program


@pytest.mark.parametrize("storage", ["registers", "bram"])
@pytest.mark.parametrize(("axi_bits", "depth"), [(32, 2), (32, 64), (128, 4), (1024, 2)])
@pytest.mark.parametrize("stall", [0, 0.4])
def test_sim_depth_and_storage(axi_bits: int, depth: int, storage: str, stall: float) -> None:
    fields = {"fetch_depth": depth, "fetch_storage": storage}
    bench, length = Bench(axi_bits, fields=fields, stall=stall, latency=7), 70

    async def get(ctx) -> None:
        got = await stream_get(ctx, bench.dut.instructions, length, stall=stall)
        assert [i.bits for i in got] == [bench.word(16 * i) for i in range(length)]
        await settle(ctx, bench.dut.exhausted)

    bench.run(0, length, get)
    assert sum(b.beats for b in bench.memory.reads) == -(-length * 128 // axi_bits)
    assert max(b.beats for b in bench.memory.reads) <= prefetch_beats(bench.config) // 2


@pytest.mark.parametrize("axi_bits", [32, 512])
def test_sim_prefetch_is_bounded(axi_bits: int) -> None:
    """Nobody takes instructions: what was asked for fits the buffer."""
    bench = Bench(axi_bits)

    async def wait(ctx) -> None:
        await ctx.tick().repeat(400)
        got = await stream_get(ctx, bench.dut.instructions, 200)
        assert [i.bits for i in got] == [bench.word(16 * i) for i in range(200)]

    bench.run(0, 200, wait)
    early = [b.beats for b in bench.memory.reads if b.cycle < 400]
    assert sum(early) * axi_bits <= 34 * 128 + axi_bits


@pytest.mark.parametrize("axi_bits", [128, 512])
def test_sim_full_rate(axi_bits: int) -> None:
    bench, count = Bench(axi_bits), 200

    async def get(ctx) -> None:
        await stream_get(ctx, bench.dut.instructions, count)

    bench.run(0, count, get, cycles=count + 16)


@pytest.mark.parametrize(("storage", "latency"), [("registers", 2), ("bram", 3)])
def test_sim_latency(storage: str, latency: int) -> None:
    """Request 4 cycles after `start`; an instruction 2 cycles after its beat, or 3."""
    bench = Bench(512, fields={"fetch_storage": storage})

    async def watch(ctx) -> None:
        assert not ctx.get(bench.dut.memory.requests.valid)
        assert await settle(ctx, bench.dut.memory.requests.valid) == 3
        await settle(ctx, bench.dut.memory.valid)
        assert await settle(ctx, bench.dut.instructions.valid) == latency

    bench.run(0, 1, watch)


@pytest.mark.parametrize(
    ("base", "length"),
    [(32, 1), (1 << 32, 1), ((1 << 32) - 64, 5), (1 << 63, 2), (0, (1 << 32) - 1)],
)
def test_sim_wrong_program(base: int, length: int) -> None:
    bench = Bench(512)

    async def watch(ctx) -> None:
        await settle(ctx, bench.dut.error.valid)
        await ctx.tick().repeat(20)
        assert ctx.get(bench.dut.error.valid)
        assert ctx.get(bench.dut.error.code) == ErrorCode.ADDRESS
        assert ctx.get(bench.dut.error.address) == base % (1 << 40)

    bench.run(base, length, watch)
    assert not bench.memory.reads


def test_sim_end_of_memory() -> None:
    bench = Bench(512, base=(1 << 32) - (1 << 16))
    base = (1 << 32) - 64

    async def get(ctx) -> None:
        got = await stream_get(ctx, bench.dut.instructions, 4)
        assert got[3].bits == bench.word(base + 48)

    bench.run(base, 4, get)


def test_sim_empty_program() -> None:
    bench = Bench(512)

    async def watch(ctx) -> None:
        await settle(ctx, bench.dut.exhausted)
        assert ctx.get(bench.dut.instructions.payload.address) == 640

    bench.run(640, 0, watch)
    assert not bench.memory.reads
