# amaranth: UnusedElaboratable=no
"""The whole core: products, errors of every kind, resets at any time."""

from __future__ import annotations

import random
import re

import pytest
from amaranth.lib.wiring import Out

from lutra.hw.core import Core
from lutra.hw.isa import Buffer, ErrorCode, Opcode, encode
from lutra.hw.registers import Register, Status

from .axi_memory import DECERR, SLVERR
from .core_bench import HASH, CoreBench
from .helpers import CONFIGS

END = encode(Opcode.END)


def test_init_wrong_config() -> None:
    with pytest.raises(TypeError, match=re.escape("Config must be a Config, not 'w2a8'")):
        Core("w2a8", config_hash=0)


def test_init_ports() -> None:
    """The names that bus recognition goes by."""
    members = Core(CONFIGS["axi512"], config_hash=0).signature.members
    assert members["m_axi_araddr"].flow == Out
    assert {"m_axi_rdata", "m_axi_awvalid", "m_axi_wstrb", "s_axil_awaddr", "irq"} <= set(members)


@pytest.mark.parametrize(("stall", "latency"), [(0, 1), (0.3, 5)])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_product(name: str, stall: float, latency: int) -> None:
    bench = CoreBench(name, stall=stall, latency=latency)

    async def host(ctx) -> None:
        assert await bench.read(ctx, Register.CONFIG_HASH_LO) == HASH & 0xFFFFFFFF
        for _ in range(2):
            counters = await bench.multiply(ctx)
            assert counters["bytes_read"] == bench.product.bytes_read
            assert counters["bytes_written"] == bench.product.bytes_written
            assert counters["array_busy"] == 8
            assert 50 < counters["cycles"] < 2000

    bench.run(host)


def _bad_programs(bench: CoreBench) -> dict[str, tuple[list[int], ErrorCode, int]]:
    base, beat = bench.base, bench.config.axi_bits // 8
    load, store = Opcode.LOAD, Opcode.STORE
    return {
        "empty memory": ([0], ErrorCode.ILLEGAL_OPCODE, base),
        "opcode": ([encode(load, rows=1), 15], ErrorCode.ILLEGAL_OPCODE, base + 16),
        "field": ([encode(load, rows=0), END], ErrorCode.ILLEGAL_FIELD, base),
        "range": (
            [encode(store, words=1), encode(store, words=9999), END],
            ErrorCode.BUFFER_RANGE, base + 16,
        ),
        "address": ([encode(load, rows=1, address=beat - 1), END], ErrorCode.ADDRESS, base),
        "planes": ([encode(Opcode.PLANES, count=0), END], ErrorCode.ILLEGAL_PLANES, base),
        "no end": ([encode(load, rows=1)], ErrorCode.NO_END, base + 16),
        "deadlock": ([encode(load, rows=1, wait=4), END], ErrorCode.DEADLOCK, 0),
        "tokens": (
            [*[encode(load, rows=1, signal=4)] * 256, END], ErrorCode.TOKEN_OVERFLOW, 0
        ),
        "load outside": (
            [encode(load, rows=1, address=1 << 20), END], ErrorCode.READ_RESPONSE, 1 << 20
        ),
        "store outside": (
            [encode(store, words=1, address=1 << 20), END], ErrorCode.WRITE_RESPONSE, 1 << 20
        ),
    }  # fmt: skip


def test_sim_bad_programs() -> None:
    """Each stops with its error, and the next program runs, with or without a reset between."""
    bench = CoreBench("axi32")

    async def host(ctx) -> None:
        for number, (case, (program, code, address)) in enumerate(_bad_programs(bench).items()):
            await bench.start(ctx, program)
            assert await bench.finish(ctx) == (Status.ERROR, code, address), case
            if number % 2:
                await bench.reset(ctx)
                assert not ctx.get(bench.dut.irq)
            await bench.multiply(ctx)

    bench.run(host, cycles=100_000)


def test_sim_bad_base() -> None:
    bench = CoreBench("axi512")

    async def host(ctx) -> None:
        for length in (0, 1):
            bench.base += 16
            await bench.start(ctx, [END], length=length)
            assert await bench.finish(ctx) == (Status.ERROR, ErrorCode.ADDRESS, bench.base)
            bench.base -= 16
            await bench.multiply(ctx)

    bench.run(host)


def test_sim_memory_errors() -> None:
    bench = CoreBench("axi64", stall=0.2, latency=10)
    places = {bench.base: ErrorCode.READ_RESPONSE, 0x4000: ErrorCode.READ_RESPONSE,
              0xA000: ErrorCode.WRITE_RESPONSE}  # fmt: skip

    async def host(ctx) -> None:
        for address, wanted in places.items():
            for code in (SLVERR, DECERR):
                bench.memory.bad[address] = code
                await bench.start(ctx, bench.product.instructions)
                assert await bench.finish(ctx) == (Status.ERROR, wanted, address)
                bench.memory.bad.clear()
                await bench.multiply(ctx)

    bench.run(host, cycles=60_000)


@pytest.mark.parametrize("name", ["axi32", "axi512"])
def test_sim_reset_at_any_time(name: str) -> None:
    """With bursts pending in both directions; nothing of the old program reaches the new one."""
    bench, rng = CoreBench(name, stall=0.2, latency=20), random.Random(5)

    async def host(ctx) -> None:
        for _ in range(12):
            await bench.start(ctx, bench.product.instructions)
            await ctx.tick().repeat(rng.randint(1, 250))
            await bench.reset(ctx)
            assert await bench.read(ctx, Register.ERROR_CODE) == 0
        await bench.multiply(ctx)

    bench.run(host, cycles=60_000)


def test_sim_reset_waits_for_memory() -> None:
    """BUSY stays while memory owes answers, and goes once they came."""
    bench = CoreBench("axi32")

    async def host(ctx) -> None:
        await bench.start(ctx, [encode(Opcode.LOAD, rows=8), END])
        while len(bench.memory.reads) < 2:
            await ctx.tick()
        bench.memory.blocked = True
        await bench.write(ctx, Register.CONTROL, 2)
        await ctx.tick().repeat(200)
        assert await bench.read(ctx, Register.STATUS) == Status.BUSY
        bench.memory.blocked = False
        await ctx.tick().repeat(100)
        assert await bench.read(ctx, Register.STATUS) == 0
        await bench.multiply(ctx)

    bench.run(host)


@pytest.mark.parametrize("latency", [1, 100])
def test_sim_read_channel_is_busy(latency: int) -> None:
    """Successive LOADs, the program's own beats among them, leave the read channel no gap."""
    bench = CoreBench("axi512", latency=latency)
    loads, rows = 60, 16

    async def host(ctx) -> None:
        program = [
            encode(Opcode.LOAD, buffer=Buffer.WEIGHT, row=i % 8, rows=rows, address=1024 * (i % 8))
            for i in range(loads)
        ]
        await bench.start(ctx, [*program, END])
        assert await bench.finish(ctx) == (Status.DONE, ErrorCode.NONE, 0)
        cycles = await bench.read(ctx, Register.CYCLES)
        beats = loads * rows + (loads + 1 + 3) // 4
        assert cycles <= beats + 2 * latency + 25

    bench.run(host)
    beats = bench.memory.read_beats
    first = next(i for i, b in enumerate(beats) if b - beats[0] > latency + 20)  # LOADs under way
    assert beats[-1] - beats[first] == len(beats) - 1 - first


def test_sim_no_path_through() -> None:
    """No input of the buses reaches an output within the cycle."""
    bench = CoreBench("axi64", stall=0.3)
    ports = {name: getattr(bench.dut, name) for name in bench.dut.signature.members}
    flows = {name: member.flow for name, member in bench.dut.signature.members.items()}
    rng = random.Random(0)

    async def host(ctx) -> None:
        await bench.start(ctx, bench.product.instructions)
        for _ in range(400):
            before = {n: ctx.get(p) for n, p in ports.items() if flows[n] == Out}
            kept = {n: ctx.get(p) for n, p in ports.items() if flows[n] != Out}
            for n in kept:
                ctx.set(ports[n], rng.getrandbits(len(ports[n])))
            assert {n: ctx.get(p) for n, p in ports.items() if flows[n] == Out} == before
            for n, value in kept.items():
                ctx.set(ports[n], value)
            await ctx.tick()

    bench.run(host)
