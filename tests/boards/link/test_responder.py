# amaranth: UnusedElaboratable=no
"""The gateware of the link against its model: the same bytes in, the same bytes out."""

from __future__ import annotations

import random

import pytest

from lutra.boards.link.executor import Executor
from lutra.boards.link.frame import (
    END,
    LINK_IDENTITY,
    Command,
    LinkWord,
    Status,
    pack_header,
    unpack_header,
)
from lutra.boards.link.model import LinkModel
from lutra.boards.link.packet_buffer import PacketBuffer
from lutra.boards.link.responder import Responder
from lutra.boards.link.stuffing import Unstuffer, stuff

from ...hw.helpers import simulate

MEMORY, CLOCK, BUFFER = 1000, 48_000_000, 512


class Target:
    """Registers and memory, in software."""

    memory_size = MEMORY

    def __init__(self) -> None:
        self.memory = bytearray(MEMORY)
        self.registers: dict[int, int] = {}
        self.writes: list[tuple[int, int]] = []

    def read_register(self, offset: int) -> int:
        return self.registers.get(offset, 0)

    def write_register(self, offset: int, value: int) -> None:
        self.writes.append((offset, value))
        self.registers[offset] = value

    def read_memory(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def write_memory(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data


class Bench:
    """A `Responder` in the simulator, with a `Target` behind its ports."""

    def __init__(self, *, stall: float = 0.3, seed: int = 1) -> None:
        self.dut = Responder(memory_bytes=MEMORY, clock_hz=CLOCK, buffer_bytes=BUFFER)
        self.target, self.rng = Target(), random.Random(seed)
        self.stall = self.line_stall = stall
        self.received = bytearray()

    async def port(self, ctx, port, read, write) -> None:
        while True:
            await ctx.tick()
            if not ctx.get(port.request) or self.rng.random() < self.stall:
                continue
            address = ctx.get(port.address)
            assert address % 4 == 0
            if ctx.get(port.write):
                write(address, ctx.get(port.data), ctx.get(port.strobe))
            else:
                ctx.set(port.read_data, read(address))
            ctx.set(port.done, 1)
            await ctx.tick()
            ctx.set(port.done, 0)
            ctx.set(port.read_data, 0xDEAD_BEEF)
            assert not ctx.get(port.request)

    async def registers(self, ctx) -> None:
        def write(address: int, data: int, strobe: int) -> None:
            assert strobe == 15
            self.target.write_register(address, data)

        await self.port(ctx, self.dut.registers, self.target.read_register, write)

    async def memory(self, ctx) -> None:
        def read(address: int) -> int:
            return int.from_bytes(self.target.read_memory(address, 4), "little")

        def write(address: int, data: int, strobe: int) -> None:
            for i in range(4):
                if strobe >> i & 1:
                    self.target.memory[address + i] = data >> 8 * i & 255

        await self.port(ctx, self.dut.memory, read, write)

    async def output(self, ctx) -> None:
        while True:
            ctx.set(self.dut.o.ready, self.rng.random() >= self.line_stall)
            _, _, valid, ready, byte = await ctx.tick().sample(
                self.dut.o.valid, self.dut.o.ready, self.dut.o.payload
            )
            if valid and ready:
                self.received.append(byte)

    async def send(self, ctx, wire: bytes) -> None:
        for byte in wire:
            ctx.set(self.dut.i.payload, byte)
            ctx.set(self.dut.i.valid, 1)
            await ctx.tick()
            ctx.set(self.dut.i.valid, 0)
            await ctx.tick().repeat(9 + (self.rng.random() < self.stall))

    async def receive(self, ctx, size: int, *, cycles: int = 5000) -> bytes:
        for _ in range(cycles):
            if len(self.received) >= size:
                break
            await ctx.tick()
        got = bytes(self.received[:size])
        del self.received[:size]
        return got

    def run(self, bench) -> None:
        background = [self.registers, self.memory, self.output]
        simulate(self.dut, bench, background=background, cycles=200_000)


def random_request(rng: random.Random, sequence: int) -> bytes:
    """A request of any kind, most of them good ones, as a message."""
    command = rng.choice(list(Command)[1:])
    address, count = rng.randrange(MEMORY), rng.choice([1, 2, 3, 4, 5, 8, 30])
    if command == Command.READ_LINK:
        address, count = LinkWord.IDENTITY, 16
    elif command != Command.READ_MEMORY and command != Command.WRITE_MEMORY:
        address, count = 4 * rng.randrange(5), 4 * rng.randrange(3)
    if rng.random() < 0.15:  # whatever this makes of it, both must agree
        address = rng.choice([MEMORY - 1, MEMORY, 4094, 4096, 30, 0xFFFF_FFFE, address + 1])
    data = rng.randbytes(count) if command.writes else b""
    if rng.random() < 0.05:
        data += b"x"
    code = rng.randrange(256) if rng.random() < 0.05 else command
    return pack_header(code, sequence, count, address) + data


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_sim_random_requests_like_the_model(stall: float) -> None:
    bench, rng = Bench(stall=stall), random.Random(5)
    target = Target()
    model = LinkModel(target, clock_hz=CLOCK, buffer_bytes=BUFFER)

    async def drive(ctx) -> None:
        wires = [stuff(random_request(rng, 3)) for _ in range(3)]  # FRESH: no HELLO yet
        sequence = 200
        wires.append(stuff(pack_header(Command.HELLO, sequence, 0, 0xCAFE_7E7D)))
        for _ in range(80):
            sequence += 1
            message = random_request(rng, sequence % 256)
            wires.append(stuff(message))
            kind = rng.random()
            if kind < 0.1:  # repeated
                wires.append(stuff(message))
            elif kind < 0.2:  # an old one
                old = (sequence - rng.randrange(20)) % 256
                wires.append(stuff(random_request(rng, old)))
            elif kind < 0.3:  # one that comes too early
                wires.append(stuff(random_request(rng, (sequence + rng.randrange(2, 90)) % 256)))
            elif kind < 0.5:  # garbage
                wires.append(rng.randbytes(rng.randrange(40)) + bytes([END]))
            elif kind < 0.55:
                wires.append(bytes([END] * 3))
        while wires:  # a few at a time, so that the buffer is filled but does not overflow
            batch = b"".join(wires.pop(0) for _ in range(min(len(wires), rng.choice([1, 2, 4]))))
            expected = model.feed(batch)
            await bench.send(ctx, batch)
            got = await bench.receive(ctx, len(expected))
            assert Unstuffer().feed(got) == Unstuffer().feed(expected)
            assert got == expected
        await ctx.tick().repeat(50)
        assert not bench.received

    bench.run(drive)
    assert bench.target.memory == target.memory
    assert bench.target.writes == target.writes
    assert model.repeated


def test_sim_link_words() -> None:
    bench = Bench(stall=0.0)

    async def words(ctx) -> dict[LinkWord, int]:
        read = pack_header(Command.READ_LINK, 1, 32, 0)
        await bench.send(ctx, stuff(read))
        await ctx.tick().repeat(700)
        (message,) = Unstuffer().feed(bytes(bench.received))
        bench.received.clear()
        raw = message[8:]
        return {w: int.from_bytes(raw[w : w + 4], "little") for w in LinkWord}

    async def drive(ctx) -> None:
        await bench.send(ctx, stuff(pack_header(Command.HELLO, 0, 0, 5)))
        await ctx.tick().repeat(300)
        (hello,) = Unstuffer().feed(bytes(bench.received))
        assert unpack_header(hello) == (Status.OK, 0, 0, 5)
        bench.received.clear()
        before = await words(ctx)
        constants = (LINK_IDENTITY, MEMORY, CLOCK, BUFFER)
        assert tuple(before[LinkWord(4 * i)] for i in range(4)) == constants
        assert (before[LinkWord.DAMAGED], before[LinkWord.OVERFLOWS]) == (0, 0)
        await bench.send(ctx, b"garbage" + bytes([END]))
        await ctx.tick().repeat(100)
        bench.received.clear()
        after = await words(ctx)
        assert after[LinkWord.DAMAGED] == 1
        elapsed = after[LinkWord.CYCLES] - before[LinkWord.CYCLES]
        assert 1000 < elapsed < 2500

    bench.run(drive)


def test_sim_overflow_is_counted_and_forgotten() -> None:
    """Frames that find no room are lost as a whole; what fitted is executed, and all goes on."""
    bench = Bench(stall=0.0)

    async def drive(ctx) -> None:
        await bench.send(ctx, stuff(pack_header(Command.HELLO, 0, 0, 1)))
        await bench.receive(ctx, len(stuff(bytes(8))))
        bench.line_stall = 1.0  # replies are stuck
        # The first is executed; of the others, 216 bytes each, two fit in 512.
        data = [bytes([i]) * 208 for i in range(5)]
        for i in range(5):
            await bench.send(ctx, stuff(pack_header(Command.WRITE_MEMORY, i + 1, 208, 0) + data[i]))
            if i == 0:
                await ctx.tick().repeat(2000)
        bench.line_stall = 0.0
        await ctx.tick().repeat(3000)
        replies = Unstuffer().feed(bytes(bench.received))
        assert [unpack_header(r)[:2] for r in replies] == [(Status.OK, i) for i in (1, 2, 3)]
        assert bench.target.memory[:208] == data[2]
        bench.received.clear()
        await bench.send(ctx, stuff(pack_header(Command.READ_LINK, 4, 4, LinkWord.OVERFLOWS)))
        await ctx.tick().repeat(400)
        (message,) = Unstuffer().feed(bytes(bench.received))
        assert message[8] == 2

    bench.run(drive)


@pytest.mark.parametrize("depth", [63, 32, 100, 1 << 17])
def test_init_buffer_wrong(depth: int) -> None:
    with pytest.raises(ValueError, match=f"a power of two from 64 to 65536, not {depth}"):
        PacketBuffer(depth, tail=4)


def test_init_executor_wrong() -> None:
    with pytest.raises(ValueError, match=r"Memory must be from 1 to 2\*\*32 - 1, not 0"):
        Executor(memory_bytes=0, clock_hz=1, buffer_bytes=64)
