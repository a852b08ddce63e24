# amaranth: UnusedElaboratable=no
"""The shared memory: an AXI4 master and the link's port at once, against a plain model."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import pytest
from amaranth.hdl import Module

from lutra.boards.memory.axi_front import AxiFront
from lutra.boards.memory.block_ram import BlockRam
from lutra.boards.memory.sdram import SdramController
from lutra.boards.memory.spram import Spram

from ...hw.helpers import simulate
from .sdram_chip_model import SdramModel
from .test_sdram import CHIP

OKAY, SLVERR, DECERR = 0, 2, 3


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        (100, {}, "Size must be a multiple of 8 from 8 to 2**16 bytes, not 100"),
        (1 << 17, {}, "Size must be a multiple of 8 from 8 to 2**16 bytes, not 131072"),
        (64, {"data_bits": 48}, "Data width must be one of"),
        (64, {"reads": 0}, "Reads must be at least 1, not 0"),
    ],
)
def test_init_wrong(size: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        AxiFront(size, **{"addr_bits": 16, "data_bits": 64, **options})


def test_init_spram_wrong() -> None:
    with pytest.raises(ValueError, match="Depth must be 16384 or 32768 words, not 100"):
        Spram(100)


@dataclass
class Burst:
    address: int
    beats: int
    id: int = 0
    kind: int = 1
    size: int | None = None


class Bench:
    """A front with a block RAM (or the iCE40's stand-in) behind it, and masters in software."""

    def __init__(
        self, size: int, data_bits: int, *, stall: float, ram=None, reads: int = 8
    ) -> None:
        self.front = AxiFront(size, addr_bits=16, data_bits=data_bits, id_bits=2, reads=reads)
        self.size, self.beat, self.stall = size, data_bits // 8, stall
        self.rng = random.Random(data_bits)
        self.m = Module()
        self.m.submodules.front = self.front
        self.m.submodules.ram = ram = ram or BlockRam(data_bits, size // self.beat)
        for name in self.front.beats.signature.members:  # the memory may be larger than the front
            inner, outer = getattr(ram.port, name), getattr(self.front.beats, name)
            answers = name in ("ready", "read_valid", "read_data")
            self.m.d.comb += outer.eq(inner) if answers else inner.eq(outer)

    def put(self, ctx, bus, channel: str, burst: Burst) -> None:
        ctx.set(getattr(bus, f"{channel}addr"), burst.address)
        ctx.set(getattr(bus, f"{channel}len"), burst.beats - 1)
        ctx.set(getattr(bus, f"{channel}id"), burst.id)
        ctx.set(getattr(bus, f"{channel}burst"), burst.kind)
        size = self.beat.bit_length() - 1 if burst.size is None else burst.size
        ctx.set(getattr(bus, f"{channel}size"), size)

    async def channel(self, ctx, bus, name: str) -> None:
        """Offer what was put, after a pause, until it is taken."""
        while self.rng.random() < self.stall:
            await ctx.tick()
        ctx.set(getattr(bus, f"{name}valid"), 1)
        await ctx.tick().until(getattr(bus, f"{name}ready"))
        ctx.set(getattr(bus, f"{name}valid"), 0)

    async def write(self, ctx, burst: Burst, data: bytes, strobes: list[int]) -> int:
        bus = self.front.write
        self.put(ctx, bus, "aw", burst)
        await self.channel(ctx, bus, "aw")
        for i in range(burst.beats):
            piece = data[i * self.beat : (i + 1) * self.beat]
            ctx.set(bus.wdata, int.from_bytes(piece, "little"))
            ctx.set(bus.wstrb, strobes[i])
            ctx.set(bus.wlast, i == burst.beats - 1)
            await self.channel(ctx, bus, "w")
        ctx.set(bus.bready, 1)
        who, response = await ctx.tick().sample(bus.bid, bus.bresp).until(bus.bvalid)
        ctx.set(bus.bready, 0)
        assert who == burst.id
        return response

    async def read(self, ctx, bursts: list[Burst]) -> list[tuple[int, bytes]]:
        """Ask for all of them before the first is taken; response and data of each, in order."""
        bus, results = self.front.read, []
        asked = list(bursts)
        expected = [(b.id, i == b.beats - 1) for b in bursts for i in range(b.beats)]
        worst, raw = 0, b""
        offering = False
        while expected:
            if asked and not offering and self.rng.random() >= self.stall:
                self.put(ctx, bus, "ar", asked[0])
                offering = True
            ctx.set(bus.arvalid, offering)
            ctx.set(bus.rready, self.rng.random() >= self.stall)
            sampled = await ctx.tick().sample(
                bus.arready, bus.rvalid, bus.rready, bus.rid, bus.rlast, bus.rdata, bus.rresp
            )
            arready, rvalid, rready, rid, rlast, rdata, rresp = sampled[2:]
            if offering and arready:
                asked.pop(0)
                offering = False
            if rvalid and rready:
                assert (rid, bool(rlast)) == expected.pop(0)
                worst |= rresp
                raw += rdata.to_bytes(self.beat, "little")
                if rlast:
                    results.append((worst, raw))
                    worst, raw = 0, b""
        ctx.set(bus.arvalid, 0)
        ctx.set(bus.rready, 0)
        return results

    async def link(self, ctx, address: int, data: int | None = None, strobe: int = 15) -> int:
        port = self.front.link
        ctx.set(port.request, 1)
        ctx.set(port.address, address)
        ctx.set(port.write, data is not None)
        ctx.set(port.data, data or 0)
        ctx.set(port.strobe, strobe)
        (value,) = await ctx.tick().sample(port.read_data).until(port.done)
        ctx.set(port.request, 0)
        await ctx.tick()
        return value


def random_burst(rng: random.Random, beat: int, low: int, high: int) -> Burst:
    address = rng.randrange(low, high, beat)
    room = min(high - address, 4096 - address % 4096) // beat
    return Burst(address, rng.randrange(1, min(room, 20) + 1), rng.randrange(4))


@pytest.mark.parametrize(
    ("data_bits", "stall", "sdram", "reads"),
    [
        (32, 0.0, False, 8), (32, 0.4, False, 8), (128, 0.0, False, 8), (128, 0.4, False, 8),
        (64, 0.2, True, 8), (32, 0.0, False, 1), (32, 0.4, False, 1), (64, 0.2, True, 1),
    ],
)  # fmt: skip
def test_sim_three_masters(data_bits: int, stall: float, sdram: bool, reads: int) -> None:
    """Write and read bursts and the link at once, each in its own third of the memory."""
    size = 3 * 1024
    background = []
    if sdram:
        ram = SdramController(CHIP, data_bits=data_bits, clock_hz=40e6, late=1)
        bench = Bench(size, data_bits, stall=stall, ram=ram, reads=reads)
        background.append(SdramModel(CHIP, ram.pins, 40e6, 1).run)
    else:
        bench = Bench(size, data_bits, stall=stall, reads=reads)
    state = bytearray(size)
    beat = bench.beat

    async def fill(ctx) -> None:
        for address in range(0, size, 1024):
            data = random.Random(address).randbytes(1024)
            everything = [(1 << beat) - 1] * (1024 // beat)
            burst = Burst(address, 1024 // beat)
            assert await bench.write(ctx, burst, data, everything) == OKAY
            state[address : address + 1024] = data

    async def writer(ctx) -> None:
        rng = random.Random(1)
        await fill(ctx)
        bench.filled = True
        for _ in range(30):
            burst = random_burst(rng, beat, 0, 1024)
            data = rng.randbytes(burst.beats * beat)
            strobes = [rng.getrandbits(beat) for _ in range(burst.beats)]
            assert await bench.write(ctx, burst, data, strobes) == OKAY
            for i, value in enumerate(data):
                if strobes[i // beat] >> i % beat & 1:
                    state[burst.address + i] = value

    async def reader(ctx) -> None:
        rng = random.Random(2)
        while not bench.filled:
            await ctx.tick()
        for _ in range(12):
            bursts = [random_burst(rng, beat, 1024, 2048) for _ in range(3)]
            for burst, (response, raw) in zip(bursts, await bench.read(ctx, bursts), strict=True):
                assert response == OKAY
                assert raw == state[burst.address :][: burst.beats * beat]

    async def link(ctx) -> None:
        rng = random.Random(3)
        while not bench.filled:
            await ctx.tick()
        for _ in range(60):
            address = rng.randrange(2048, size, 4)
            if rng.random() < 0.5:
                value, strobe = rng.getrandbits(32), rng.randrange(16)
                await bench.link(ctx, address, value, strobe)
                for i in range(4):
                    if strobe >> i & 1:
                        state[address + i] = value >> 8 * i & 255
            else:
                value = await bench.link(ctx, address)
                assert value.to_bytes(4, "little") == state[address : address + 4]
            await ctx.tick().repeat(rng.randrange(1, 8))

    async def compare(ctx) -> None:
        """When all is done, everything through each of the ports."""
        bursts = [Burst(a, 128 // beat) for a in range(0, size, 128)]
        raw = b"".join(data for _, data in await bench.read(ctx, bursts))
        assert raw == state
        for address in range(0, size, 4 * 97):
            value = await bench.link(ctx, address)
            assert value.to_bytes(4, "little") == state[address : address + 4]

    bench.filled = False
    left = [3]

    def counted(part):
        async def run(ctx) -> None:
            await part(ctx)
            left[0] -= 1
            if left[0] == 0:
                await compare(ctx)

        return run

    masters = [counted(part) for part in (writer, reader, link)]
    simulate(bench.m, *masters, background=background, cycles=60_000)


def test_sim_full_rate() -> None:
    """One beat a cycle within a burst, one idle cycle between bursts; a word for the link."""
    bench = Bench(4096, 64, stall=0.0)

    async def drive(ctx) -> None:
        bus = bench.front.read
        ctx.set(bus.rready, 1)
        bench.put(ctx, bus, "ar", Burst(0, 128))
        ctx.set(bus.arvalid, 1)
        cycles = beats = 0
        while beats < 4 * 128:
            _, _, valid = await ctx.tick().sample(bus.rvalid)
            cycles += 1
            beats += valid
        assert cycles <= 4 * 129 + 4

    simulate(bench.m, drive)


def test_sim_errors_change_nothing() -> None:
    bench = Bench(1024, 32, stall=0.2)

    async def drive(ctx) -> None:
        full = [15] * 8
        assert await bench.write(ctx, Burst(1024 - 16, 4), b"a" * 16, full) == OKAY
        assert await bench.write(ctx, Burst(1024 - 16, 8, 3), b"b" * 32, full) == DECERR
        assert await bench.write(ctx, Burst(0, 2, 1, kind=0), b"c" * 8, full) == SLVERR
        assert await bench.write(ctx, Burst(0, 2, 1, size=1), b"d" * 8, full) == SLVERR
        assert await bench.write(ctx, Burst(0, 1, 2), b"e" * 4, full) == OKAY
        bursts = [
            Burst(1024 - 16, 4), Burst(1024 - 16, 5), Burst(0xFFF8, 2, 2), Burst(0, 1, 1, kind=2),
            Burst(2, 1), Burst(0, 2),
        ]  # fmt: skip
        responses, data = zip(*await bench.read(ctx, bursts), strict=True)
        assert responses == (OKAY, DECERR, DECERR, SLVERR, SLVERR, OKAY)
        assert data[0] == b"b" * 16  # what lies inside was written
        assert data[5] == b"eeee" + bytes(4)

    simulate(bench.m, drive)


def test_sim_spram_stand_in() -> None:
    bench = Bench(65536, 32, stall=0.0, ram=Spram(16384))

    async def drive(ctx) -> None:
        await bench.link(ctx, 65532, 0x01020304)
        await bench.link(ctx, 65532, 0xAA000000, strobe=8)
        assert await bench.link(ctx, 65532) == 0xAA020304
        assert await bench.read(ctx, [Burst(65532, 1)]) == [(OKAY, bytes([4, 3, 2, 0xAA]))]

    simulate(bench.m, drive)
