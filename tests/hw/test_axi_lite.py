# amaranth: UnusedElaboratable=no
"""The AXI4-Lite slave against sixteen registers."""

from __future__ import annotations

import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib.memory import Memory

from lutra.hw.axi_lite import AxiLiteSlave

from .helpers import lite_read, lite_write, settle, simulate


@pytest.mark.parametrize(
    ("bits", "error", "message"),
    [
        (2, ValueError, "Address width must be from 3 to 64, not 2"),
        (65, ValueError, "Address width must be from 3 to 64, not 65"),
        (None, TypeError, "Address width must be an integer, not None"),
    ],
)
def test_init_wrong(bits, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        AxiLiteSlave(bits)


def registers() -> tuple[Module, AxiLiteSlave]:
    """A slave with 16 registers behind it, which answer one cycle later as they should."""
    m, dut = Module(), AxiLiteSlave(6)
    m.submodules.dut = dut
    m.submodules.memory = memory = Memory(shape=32, depth=16, init=[])
    write, read = memory.write_port(granularity=8), memory.read_port()
    m.d.comb += [
        write.addr.eq(dut.registers.write_address),
        write.data.eq(dut.registers.write_data),
        write.en.eq(dut.registers.strobe & dut.registers.write.replicate(4)),
        read.addr.eq(dut.registers.read_address),
        dut.registers.read_data.eq(read.data),
    ]
    return m, dut


def test_sim_random() -> None:
    (top, dut), rng = registers(), random.Random(1)
    state = [0] * 16

    async def bench(ctx) -> None:
        for _ in range(150):
            i, value, strobe = rng.randrange(16), rng.getrandbits(32), rng.choice([15, 3, 8, 0])
            address = 4 * i + rng.choice([0, 0, 3])  # low address bits do not matter
            if rng.random() < 0.5:
                lag = rng.choice([0, 0, 3, -1])
                assert await lite_write(ctx, dut.bus, address, value, strobe=strobe, lag=lag) == 0
                mask = sum(255 << 8 * k for k in range(4) if strobe >> k & 1)
                state[i] = value & mask | state[i] & ~mask
            else:
                assert await lite_read(ctx, dut.bus, address, patience=i % 4) == state[i]

    simulate(top, bench)


def test_sim_both_at_once() -> None:
    """Reads and writes do not wait for each other."""
    top, dut = registers()

    async def write(ctx) -> None:
        for i in range(30):
            await lite_write(ctx, dut.bus, 4, i)

    async def read(ctx) -> None:
        last = 0
        for _ in range(30):
            value = await lite_read(ctx, dut.bus, 4)
            assert value >= last
            last = value

    simulate(top, write, read, cycles=300)


def test_sim_latency_and_backpressure() -> None:
    """BVALID and RVALID stay until they are taken, and nothing new starts meanwhile."""
    top, dut = registers()

    async def bench(ctx) -> None:
        await ctx.tick().repeat(2)
        ctx.set(dut.bus.awvalid, 1)
        ctx.set(dut.bus.wvalid, 1)
        ctx.set(dut.bus.wdata, 77)
        ctx.set(dut.bus.wstrb, 15)
        ctx.set(dut.bus.arvalid, 1)
        await ctx.tick()
        ctx.set(dut.bus.wdata, 88)  # the next one
        assert ctx.get(dut.registers.write)
        assert await settle(ctx, dut.bus.rvalid) == 2
        await ctx.tick().repeat(10)
        assert ctx.get(dut.bus.bvalid)
        assert ctx.get(dut.bus.rvalid)
        assert ctx.get(dut.registers.write_data) == 88  # held, not yet written
        assert not ctx.get(dut.registers.write)
        assert not ctx.get(dut.bus.arready)
        ctx.set(dut.bus.bready, 1)
        await ctx.tick()
        ctx.set(dut.bus.bready, 0)
        assert ctx.get(dut.registers.write)

    simulate(top, bench)
