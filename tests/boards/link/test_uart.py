# amaranth: UnusedElaboratable=no
"""The serial line: every byte, wrong rates, glitches, breaks."""

import random
import re

import pytest
from amaranth.hdl import Module

from lutra.boards.link.baud import BaudError, baud_divisor
from lutra.boards.link.uart import UartReceiver, UartTransmitter

from ...hw.helpers import simulate, stream_put


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize(
    ("divisor", "error", "message"),
    [
        (4, ValueError, "Divisor must be from 5 to 65535, not 4"),
        (65536, ValueError, "Divisor must be from 5 to 65535, not 65536"),
        (8.0, TypeError, "Divisor must be an integer, not 8.0"),
    ],
)
def test_init_wrong(component, divisor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        component(divisor)


def test_baud_divisor() -> None:
    assert baud_divisor(25e6, 1_000_000) == 25
    assert baud_divisor(48e6, 115_200) == 417
    with pytest.raises(BaudError, match=r"such as 2777778 or 3125000\), not 3000000"):
        baud_divisor(25e6, 3_000_000)
    with pytest.raises(BaudError, match="baud must be at most 2400000, a 5th of the clock"):
        baud_divisor(12e6, 3_000_000)
    with pytest.raises(BaudError, match="baud must be positive, not 0"):
        baud_divisor(12e6, 0)


@pytest.mark.parametrize("divisor", [5, 6, 8, 9, 25])
def test_sim_loopback_back_to_back(divisor: int) -> None:
    """What goes out comes in, at ten bits a byte."""
    m = Module()
    m.submodules.tx = tx = UartTransmitter(divisor)
    m.submodules.rx = rx = UartReceiver(divisor)
    m.d.comb += rx.rx.eq(tx.tx)
    sent = [0x00, 0xFF, 0x55, 0xAA, *random.Random(1).randbytes(30)]
    received: list[int] = []

    async def send(ctx) -> None:
        await stream_put(ctx, tx.i, sent)

    async def receive(ctx) -> None:
        cycles = 0
        while len(received) < len(sent):
            _, _, valid, byte = await ctx.tick().sample(rx.o.valid, rx.o.payload)
            cycles += 1
            if valid:
                received.append(byte)
        assert cycles <= 10 * divisor * len(sent) + divisor + 5

    simulate(m, send, receive, cycles=400 * divisor)
    assert received == sent


async def line(ctx, dut: UartReceiver, levels: list[tuple[int, float]]) -> list[int]:
    """Drive `rx` with levels of given lengths in cycles; the bytes that came meanwhile."""
    got, now, until = [], 0, 0.0
    for level, length in levels:
        until += length
        ctx.set(dut.rx, level)
        while now < round(until):
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            now += 1
            if valid:
                got.append(byte)
    return got


def bits(byte: int, length: float) -> list[tuple[int, float]]:
    return [(0, length), *((byte >> i & 1, length) for i in range(8)), (1, length)]


@pytest.mark.parametrize("error", [-0.03, 0.03])
def test_sim_receives_at_a_slightly_wrong_rate(error: float) -> None:
    dut, sent = UartReceiver(16), random.Random(2).randbytes(30)

    async def bench(ctx) -> None:
        levels = [(1, 20)] + [part for byte in sent for part in bits(byte, 16 * (1 + error))]
        assert await line(ctx, dut, [*levels, (1, 20)]) == list(sent)

    simulate(dut, bench)


def test_sim_glitches_and_breaks_are_no_bytes() -> None:
    dut = UartReceiver(16)

    async def bench(ctx) -> None:
        assert await line(ctx, dut, [(1, 30), (0, 5), (1, 60), (0, 1), (1, 200)]) == []
        assert await line(ctx, dut, [(0, 16 * 40), (1, 16 * 3)]) == []  # a break
        spike = bits(0x5A, 16)
        spike[3:4] = [(0, 8), (1, 1), (0, 7)]  # in the middle of a 0
        assert await line(ctx, dut, [*spike, (1, 20)]) == [0x5A]
        assert await line(ctx, dut, [*bits(0xC3, 16), (1, 20)]) == [0xC3]

    simulate(dut, bench)
