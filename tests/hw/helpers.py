"""What the hardware tests share: running a simulation, driving streams and the control port."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from amaranth.sim import Simulator

from lutra.hw.config import Config

__all__ = ["CONFIGS", "lite_read", "lite_write", "settle", "simulate", "stream_get", "stream_put"]

Testbench = Callable[[Any], Coroutine[Any, Any, None]]

#: Small configurations that differ in every way words can lie in beats.
CONFIGS = {
    # words of several beats, the last one filled in part
    "axi32": Config(
        rows=2, lanes=8, tables=2, lookup_group=3, axi_bits=32,
        act_depth=16, weight_depth=32, scale_depth=16, psum_depth=16,
    ),
    # three sign-extended beats a word; requantised words fill a beat in part
    "axi64": Config(
        rows=1, lanes=6, tables=3, lookup_group=4, axi_bits=64, act_bits=6, max_weight_bits=2,
        scale_bits=4, psum_bits=24, act_depth=32, weight_depth=16, scale_depth=16, psum_depth=32,
    ),
    # one instruction a beat; activations and requantised words share beats; 16-bit activations
    "axi128": Config(
        rows=1, lanes=3, tables=11, lookup_group=4, axi_bits=128, act_bits=12, psum_bits=40,
        max_weight_bits=4, act_depth=16, weight_depth=32, scale_depth=16, psum_depth=16,
    ),
    # the shape of the presets: four instructions a beat, shared beats
    "axi512": Config(act_depth=32, weight_depth=64, scale_depth=32, psum_depth=64),
}  # fmt: skip


def simulate(
    dut: Any, *testbenches: Testbench, background: Iterable[Testbench] = (), cycles: int = 20_000
) -> None:
    """Run until every one of `testbenches` has returned; `TimeoutError` after so many cycles."""

    async def watchdog(ctx: Any) -> None:
        await ctx.delay(cycles * 1e-6)
        raise TimeoutError(f"the simulation did not end in {cycles} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in (*background, watchdog):
        simulator.add_testbench(testbench, background=True)
    simulator.run()


async def stream_put(
    ctx: Any, stream: Any, items: Iterable[Any], *, stall: float = 0.0, seed: int = 1
) -> None:
    """Send `items`, with a pause before each with probability `stall`."""
    rng = random.Random(seed)
    for item in items:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, item)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def stream_get(
    ctx: Any, stream: Any, count: int, *, stall: float = 0.0, seed: int = 2
) -> list[Any]:
    """Receive `count` items, refusing them in a cycle with probability `stall`."""
    rng = random.Random(seed)
    items = []
    while len(items) < count:
        ctx.set(stream.ready, rng.random() >= stall)
        _, _, valid, ready, payload = await ctx.tick().sample(
            stream.valid, stream.ready, stream.payload
        )
        if valid and ready:
            items.append(payload)
    ctx.set(stream.ready, 0)
    return items


async def settle(ctx: Any, signal: Any, value: int = 1, *, cycles: int = 1000) -> int:
    """Wait until a signal has a value; returns the cycles that took."""
    for cycle in range(cycles):
        if ctx.get(signal) == value:
            return cycle
        await ctx.tick()
    raise TimeoutError(f"{signal!r} did not become {value} in {cycles} cycles")


async def lite_write(
    ctx: Any, bus: Any, address: int, value: int, *, strobe: int = 15, lag: int = 0
) -> int:
    """One AXI4-Lite write; the address comes `lag` cycles after the data (before, if negative)."""

    async def channel(valid: Any, ready: Any) -> None:
        ctx.set(valid, 1)
        await ctx.tick().until(ready)
        ctx.set(valid, 0)

    ctx.set(bus.awaddr, address)
    ctx.set(bus.wdata, value)
    ctx.set(bus.wstrb, strobe)
    first, second = (bus.wvalid, bus.wready), (bus.awvalid, bus.awready)
    if lag < 0:
        first, second = second, first
    if lag:
        await channel(*first)
        await ctx.tick().repeat(abs(lag))
        await channel(*second)
    else:
        ctx.set(bus.wvalid, 1)
        ctx.set(bus.awvalid, 1)
        await ctx.tick().until(bus.awready & bus.wready)
        ctx.set(bus.wvalid, 0)
        ctx.set(bus.awvalid, 0)
    ctx.set(bus.bready, 1)
    (response,) = await ctx.tick().sample(bus.bresp).until(bus.bvalid)
    ctx.set(bus.bready, 0)
    return response


async def lite_read(ctx: Any, bus: Any, address: int, *, patience: int = 0) -> int:
    """One AXI4-Lite read; the master takes the data `patience` cycles late."""
    ctx.set(bus.araddr, address)
    ctx.set(bus.arvalid, 1)
    await ctx.tick().until(bus.arready)
    ctx.set(bus.arvalid, 0)
    await ctx.tick().repeat(patience) if patience else None
    ctx.set(bus.rready, 1)
    (value, response) = await ctx.tick().sample(bus.rdata, bus.rresp).until(bus.rvalid)
    ctx.set(bus.rready, 0)
    assert response == 0
    return value
