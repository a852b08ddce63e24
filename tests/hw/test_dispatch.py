# amaranth: UnusedElaboratable=no
"""Dispatch: order, END, and the errors of a program as a whole."""

from __future__ import annotations

import random
import re

import pytest

from lutra.hw.dispatch import Dispatch
from lutra.hw.isa import ENGINES, ErrorCode, Opcode, encode

from .helpers import settle, simulate, stream_get, stream_put


@pytest.mark.parametrize(("name", "least"), [("depth", 0), ("patience", 1)])
def test_init_wrong(name: str, least: int) -> None:
    value = least - 1
    message = f"{name.capitalize()} must be at least {least}, not {value}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Dispatch(**{name: value})


def instruction(opcode: Opcode, address: int = 0, **fields: int) -> dict:
    return {"bits": encode(opcode, **fields), "address": address}


END = instruction(Opcode.END, 0x1230)


@pytest.mark.parametrize("depth", [0, 1, 2, 4])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_sim_order(stall: float, depth: int) -> None:
    dut, rng = Dispatch(depth=depth), random.Random(7)
    opcodes = [op for op in Opcode if op.engine is not None]
    program = [instruction(rng.choice(opcodes), 16 * i, wait=i % 8) for i in range(120)]
    shares = [[p for p in program if Opcode(p["bits"] & 15).engine == engine] for engine in ENGINES]

    async def put(ctx) -> None:
        ctx.set(dut.idle, 7)
        await stream_put(ctx, dut.instructions, program, stall=stall)
        ctx.set(dut.instructions.payload, END)  # which stays where it is if nothing is kept
        ctx.set(dut.instructions.valid, 1)
        await settle(ctx, dut.done)
        assert not ctx.get(dut.error.valid)

    def get(engine: int):
        async def bench(ctx) -> None:
            stream = (dut.load, dut.compute, dut.store)[engine]
            wanted = shares[engine]
            got = await stream_get(ctx, stream, len(wanted), stall=stall, seed=engine)
            assert [{"bits": i.bits, "address": i.address} for i in got] == wanted

        return bench

    simulate(dut, put, *(get(engine) for engine in ENGINES))


@pytest.mark.parametrize(("depth", "latency"), [(1, 2), (2, 3), (4, 3)])
def test_sim_full_rate_and_latency(depth: int, latency: int) -> None:
    dut, count = Dispatch(depth=depth), 50

    async def put(ctx) -> None:
        items = [instruction(Opcode.LOAD, 16 * i) for i in range(count)]
        await stream_put(ctx, dut.instructions, items)

    async def get(ctx) -> None:
        assert await settle(ctx, dut.load.valid) == latency
        await stream_get(ctx, dut.load, count)

    simulate(dut, put, get, cycles=2 * count + 3)


def test_sim_end_waits() -> None:
    dut = Dispatch()

    async def bench(ctx) -> None:
        ctx.set(dut.idle, 7)
        await stream_put(ctx, dut.instructions, [instruction(Opcode.STORE), END])
        for _ in range(20):
            assert not ctx.get(dut.done)  # still queued
            await ctx.tick()
        ctx.set(dut.store.ready, 1)
        ctx.set(dut.idle, 0b011)  # an engine with an instruction in front of it is not idle
        await ctx.tick()
        for _ in range(200):
            assert not ctx.get(dut.done)  # in work
            await ctx.tick()
        ctx.set(dut.idle, 7)
        await ctx.tick()
        assert ctx.get(dut.done)
        assert not ctx.get(dut.error.valid)

    simulate(dut, bench)


@pytest.mark.parametrize("opcode", [0, 6, 15])
def test_sim_illegal_opcode(opcode: int) -> None:
    dut = Dispatch()

    async def bench(ctx) -> None:
        items = [instruction(Opcode.LOAD), {"bits": opcode, "address": 0xABCDE0}]
        await stream_put(ctx, dut.instructions, items)
        await settle(ctx, dut.error.valid)
        assert ctx.get(dut.error.code) == ErrorCode.ILLEGAL_OPCODE
        assert ctx.get(dut.error.address) == 0xABCDE0
        await ctx.tick().repeat(10)
        assert ctx.get(dut.error.valid)
        assert not ctx.get(dut.instructions.ready)

    simulate(dut, bench)


@pytest.mark.parametrize("fields", [{"wait": 1}, {"signal": 4}])
def test_sim_end_with_tokens(fields: dict[str, int]) -> None:
    dut = Dispatch()

    async def bench(ctx) -> None:
        ctx.set(dut.idle, 7)
        await stream_put(ctx, dut.instructions, [instruction(Opcode.END, 32, **fields)])
        await settle(ctx, dut.error.valid)
        assert ctx.get(dut.error.code) == ErrorCode.ILLEGAL_FIELD
        assert ctx.get(dut.error.address) == 32
        assert not ctx.get(dut.done)

    simulate(dut, bench)


def test_sim_no_end() -> None:
    dut = Dispatch()

    async def bench(ctx) -> None:
        ctx.set(dut.idle, 7)
        ctx.set(dut.load.ready, 1)
        await stream_put(ctx, dut.instructions, [instruction(Opcode.LOAD, 16)])
        ctx.set(dut.instructions.payload.address, 32)
        ctx.set(dut.exhausted, 1)
        await settle(ctx, dut.error.valid)
        assert ctx.get(dut.error.code) == ErrorCode.NO_END
        assert ctx.get(dut.error.address) == 32

    simulate(dut, bench)


def test_sim_end_is_last() -> None:
    """END being held is not the same as the program being exhausted."""
    dut = Dispatch()

    async def bench(ctx) -> None:
        await stream_put(ctx, dut.instructions, [END])
        ctx.set(dut.exhausted, 1)
        await ctx.tick().repeat(30)
        assert not ctx.get(dut.error.valid)

    simulate(dut, bench)


@pytest.mark.parametrize("full", [False, True])
def test_sim_deadlock(full: bool) -> None:
    """LOAD waits for a token for ever, with END or with a full queue behind it."""
    dut = Dispatch(patience=20)

    async def bench(ctx) -> None:
        ctx.set(dut.idle, 0b110)
        ctx.set(dut.quiet, 1)
        items = [instruction(Opcode.LOAD, 16 * i) for i in range(5)] if full else [END]
        await stream_put(ctx, dut.instructions, items)
        for kind in ("working", "busy port", "halted"):
            ctx.set(dut.waiting, 0 if kind == "working" else 1)
            ctx.set(dut.quiet, kind != "busy port")
            ctx.set(dut.halt, kind == "halted")
            await ctx.tick().repeat(15 if kind == "halted" else 50)
            assert not ctx.get(dut.error.valid), kind
        ctx.set(dut.halt, 0)
        await ctx.tick()
        ctx.set(dut.waiting, 0)  # a pulse of activity starts the count again
        await ctx.tick()
        ctx.set(dut.waiting, 1)
        assert await settle(ctx, dut.error.valid) == 22
        assert ctx.get(dut.error.code) == ErrorCode.DEADLOCK
        assert ctx.get(dut.error.address) == 0

    simulate(dut, bench)
