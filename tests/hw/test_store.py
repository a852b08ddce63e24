# amaranth: UnusedElaboratable=no
"""STORE with its write master, a memory, and partial sums that answer when they like."""

from __future__ import annotations

import random
import re
from collections import deque

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect

from lutra.hw.axi_writer import AxiWriter
from lutra.hw.config import Config
from lutra.hw.isa import ErrorCode, Opcode, encode
from lutra.hw.requantise import requantise
from lutra.hw.store import Store

from .axi_memory import AxiMemory
from .helpers import CONFIGS, settle, simulate, stream_put


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 3}, "Lanes must be a power of two, not 3"),
        ({"lanes": -1}, "Lanes must be a power of two, not -1"),
        ({"unconfirmed": 0}, "Unconfirmed must be at least 1, not 0"),
    ],
)
def test_init_wrong(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Store(Config(), **options)


def store_image(config: Config, psums: np.ndarray, fields: dict) -> dict[int, int]:
    """Bytes by address that a STORE of `psums` ``[words][lanes * rows]`` writes."""
    if fields.get("requantise"):
        values = requantise(
            psums, multiplier=fields["multiplier"], shift=fields["shift"], act_bits=config.act_bits
        )
        width, word_bits = config.requant_bits, config.requant_word_bits
    else:
        values, width, word_bits = psums, config.out_bits, config.psum_word_bits
    stride = config.memory_word_bits(word_bits) // 8
    image = {}
    for i, word in enumerate(values):
        raw = b"".join((int(v) % (1 << width)).to_bytes(width // 8, "little") for v in word)
        for k, byte in enumerate(raw.ljust(stride, b"\0")):
            image[fields["address"] + i * stride + k] = byte
    return image


class Bench:
    """STORE and its writer on a memory, and a responder for the partial sums."""

    def __init__(self, name: str, *, lag: int = 1, busy: float = 0.0, lanes=4, **options) -> None:
        self.config = c = CONFIGS[name]
        self.dut, self.writer = Store(c, lanes=lanes), AxiWriter(c)
        self.top = Module()
        self.top.submodules += [self.dut, self.writer]
        connect(self.top, self.dut.memory, self.writer.client)
        self.memory = AxiMemory(self.writer.bus, **options)
        self.memory.data[:] = random.Random(4).randbytes(len(self.memory.data))
        self.lag, self.busy = lag, busy
        limit = 1 << (c.psum_bits - 1)
        rng = np.random.default_rng(1)
        self.psums = rng.integers(-limit, limit, (c.psum_depth, c.lanes * c.rows))
        self.psums >>= rng.integers(0, c.psum_bits, self.psums.shape)
        self.psums[0, 0], self.psums[1, 0] = -limit, limit - 1
        self.given: list[tuple[int, bytes]] = []

    async def respond(self, ctx) -> None:
        port, rng, c = self.dut.psums, random.Random(6), self.config
        words = [
            sum((int(v) % (1 << c.psum_bits)) << i * c.psum_bits for i, v in enumerate(word))
            for word in self.psums
        ]
        pending: deque[tuple[int, int]] = deque()
        cycle = 0
        while True:
            ctx.set(port.ready, rng.random() >= self.busy)
            due = pending and pending[0][0] <= cycle and rng.random() >= self.busy
            ctx.set(port.data_valid, bool(due))
            ctx.set(port.data, words[pending.popleft()[1]] if due else rng.getrandbits(32))
            _, _, valid, ready, address = await ctx.tick().sample(
                port.valid, port.ready, port.address
            )
            if valid and ready:
                pending.append((cycle + self.lag, address))
            cycle += 1

    async def record(self, ctx) -> None:
        tokens = self.dut.engine.tokens
        while True:
            _, _, valid, mask = await ctx.tick().sample(tokens.signal_valid, tokens.signal)
            if valid:
                self.given.append((mask, bytes(self.memory.data)))

    def run(self, *testbenches, tokens: bool = True, **options) -> None:
        async def grant(ctx) -> None:
            ctx.set(self.dut.engine.tokens.wait_ready, tokens)

        background = [self.memory.write, self.respond, self.record]
        simulate(self.top, grant, *testbenches, background=background, **options)


def instructions(*programs: dict) -> list[dict]:
    return [{"bits": encode(Opcode.STORE, **p), "address": 16 * i} for i, p in enumerate(programs)]


@pytest.mark.parametrize(
    ("stall", "latency", "lag", "busy"),
    [(0, 1, 1, 0), (0.3, 4, 1, 0.5), (0, 30, 5, 0), (0.5, 1, 3, 0.1)],
)
@pytest.mark.parametrize("kind", ["plain", "requantised", "mixed"])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_random(
    name: str, kind: str, stall: float, latency: int, lag: int, busy: float
) -> None:
    bench = Bench(name, stall=stall, latency=latency, lag=lag, busy=busy)
    c, rng = bench.config, random.Random(latency + lag)
    size, image, program, after = bench.memory.beat_bytes, bytearray(bench.memory.data), [], []
    for i in range(10):
        words = rng.choice([1, 2, rng.randint(1, c.psum_depth)])
        base = rng.randrange(c.psum_depth - words + 1)
        fields = {"psum_base": base, "words": words, "signal": i % 4}
        fields["address"] = rng.randrange(bench.memory.size // 2 // size) * size
        if kind == "requantised" or (kind == "mixed" and rng.random() < 0.5):
            shift = rng.randint(0, c.psum_bits + 16 - c.act_bits)
            fields |= {"requantise": 1, "multiplier": rng.getrandbits(16), "shift": shift}
        program.append(fields)
        for address, byte in store_image(c, bench.psums[base : base + words], fields).items():
            image[address] = byte
        after.append(bytes(image))

    async def put(ctx) -> None:
        engine = bench.dut.engine
        await stream_put(ctx, engine.instructions, instructions(*program), stall=stall)
        await settle(ctx, engine.idle, cycles=20_000)
        assert ctx.get(engine.quiet)
        assert not ctx.get(engine.error.valid)

    bench.run(put, cycles=40_000)
    assert bench.memory.data == image
    assert [mask for mask, _ in bench.given] == [p["signal"] for p in program]
    # When a token is given its instruction's bytes are in memory (later ones may be, too).
    for fields, wanted, (_, seen) in zip(program, after, bench.given, strict=True):
        for address in store_image(c, bench.psums[: fields["words"]], fields):
            assert seen[address] in (wanted[address], image[address])


def test_sim_last_beat_strobes() -> None:
    """Three 64-bit words in beats of 128 bits: the last beat is half written."""
    bench = Bench("axi128")

    async def put(ctx) -> None:
        fields = {"words": 3, "requantise": 1, "multiplier": 1}
        await stream_put(ctx, bench.dut.engine.instructions, instructions(fields))
        await settle(ctx, bench.dut.engine.idle)

    bench.run(put)
    assert bench.memory.strobes == [0xFFFF, 0x00FF]


@pytest.mark.parametrize("latency", [1, 40])
def test_sim_full_rate(latency: int) -> None:
    """Words of one beat leave one a cycle; successive STOREs too."""
    bench = Bench("axi512", latency=latency)
    program = [{"psum_base": 16 * (i % 4), "words": 16, "address": 1024 * i} for i in range(12)]

    async def put(ctx) -> None:
        await stream_put(ctx, bench.dut.engine.instructions, instructions(*program))
        await settle(ctx, bench.dut.engine.idle)

    bench.run(put)
    beats = bench.memory.write_beats
    assert len(beats) == 192
    assert beats[-1] - beats[0] <= 192 + 2 * len(program)


@pytest.mark.parametrize("lanes", [1, 2, 8, 64])
def test_sim_requantise_lanes(lanes: int) -> None:
    """`lanes` elements a cycle; more than a beat or a word has are not built."""
    bench = Bench("axi512", lanes=lanes)
    words = 32
    fields = {"words": words, "requantise": 1, "multiplier": 9, "shift": 20, "address": 512}

    async def put(ctx) -> None:
        await stream_put(ctx, bench.dut.engine.instructions, instructions(fields))
        await settle(ctx, bench.dut.engine.idle, cycles=5000)

    bench.run(put)
    image = store_image(bench.config, bench.psums[:words], fields)
    assert all(bench.memory.data[a] == b for a, b in image.items())
    beats = bench.memory.write_beats
    cycles = words * 16 // min(lanes, 16)
    assert beats[-1] - beats[0] == cycles * (len(beats) - 1) // len(beats)


def test_sim_latency() -> None:
    """The figures of the docstring."""
    bench = Bench("axi512")

    async def put(ctx) -> None:
        program = instructions({"words": 1})
        await stream_put(ctx, bench.dut.engine.instructions, program)
        assert await settle(ctx, bench.dut.psums.valid) == 3
        await ctx.tick().until(bench.dut.psums.data_valid)
        assert await settle(ctx, bench.writer.bus.wvalid) == 2  # in the third cycle

    bench.run(put)


def _wrong(name: str) -> list[tuple[dict, ErrorCode]]:
    c = CONFIGS[name]
    size, good = c.axi_bits // 8, {"psum_base": 1, "words": 1, "address": 0}
    word = c.memory_word_bits(c.psum_word_bits) // 8
    return [
        ({**good, "words": 0}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "wait": 4}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "signal": 7}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "words": c.psum_depth}, ErrorCode.BUFFER_RANGE),
        ({**good, "psum_base": 16383, "words": 16383}, ErrorCode.BUFFER_RANGE),
        ({**good, "psum_base": c.psum_depth}, ErrorCode.BUFFER_RANGE),
        ({**good, "address": size // 2}, ErrorCode.ADDRESS),
        ({**good, "address": (1 << 32) - word, "words": 2}, ErrorCode.ADDRESS),
        ({**good, "address": 1 << 32}, ErrorCode.ADDRESS),
    ]


@pytest.mark.parametrize("case", range(9))
@pytest.mark.parametrize("name", ["axi32", "axi512"])
def test_sim_error(name: str, case: int) -> None:
    fields, code = _wrong(name)[case]
    bench = Bench(name)

    async def put(ctx) -> None:
        good = {"words": 1, "address": 64}
        await stream_put(ctx, bench.dut.engine.instructions, instructions(good, fields))
        error = bench.dut.engine.error
        await settle(ctx, error.valid)
        await ctx.tick().repeat(50)
        assert ctx.get(error.valid)
        assert ctx.get(error.code) == code
        assert ctx.get(error.address) == 16

    bench.run(put)
    assert len(bench.given) == 1


@pytest.mark.parametrize("stall", [0, 0.4])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_without_requantiser(name: str, stall: float) -> None:
    """Words go out as they are; what is to be requantised is refused."""
    bench = Bench(name, lanes=0, stall=stall, lag=2)
    programs = [
        {"psum_base": 1, "words": 5, "address": 512},
        {"psum_base": 3, "words": 1, "address": 4096},
    ]
    refused = {"words": 1, "address": 8192, "requantise": 1, "multiplier": 1}

    async def put(ctx) -> None:
        engine = bench.dut.engine
        await stream_put(ctx, engine.instructions, instructions(*programs))
        await settle(ctx, engine.idle)
        await stream_put(ctx, engine.instructions, instructions(refused))
        await settle(ctx, engine.error.valid)
        assert ctx.get(engine.error.code) == ErrorCode.ILLEGAL_FIELD

    before = bytes(bench.memory.data)
    bench.run(put)
    image = bytearray(before)
    for fields in programs:
        words = bench.psums[fields["psum_base"] :][: fields["words"]]
        for address, byte in store_image(bench.config, words, fields).items():
            image[address] = byte
    assert bench.memory.data == image


def test_sim_waits() -> None:
    bench = Bench("axi32", latency=30)

    async def put(ctx) -> None:
        engine = bench.dut.engine
        free, bound = {"words": 2}, {"words": 1, "address": 1024, "wait": 2, "signal": 2}
        await stream_put(ctx, engine.instructions, instructions(free, bound))
        await settle(ctx, engine.tokens.wait, 2)
        ctx.set(engine.tokens.wait_ready, 0)
        assert not ctx.get(engine.waiting)  # the first one is not confirmed yet
        await settle(ctx, engine.waiting)
        assert len(bench.memory.strobes) == 32
        await ctx.tick().repeat(20)
        assert ctx.get(engine.waiting)
        ctx.set(engine.tokens.wait_ready, 1)
        await settle(ctx, engine.idle)

    bench.run(put)
    assert [mask for mask, _ in bench.given] == [0, 2]
