# amaranth: UnusedElaboratable=no
"""LOAD with its read master and a memory, against buffers that are Python dictionaries."""

from __future__ import annotations

import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect

from lutra.hw.axi_reader import AxiReader
from lutra.hw.config import Config
from lutra.hw.isa import Buffer, ErrorCode, Opcode, encode
from lutra.hw.load import Load

from .axi_memory import AxiMemory
from .helpers import CONFIGS, settle, simulate, stream_put


def test_init_wrong_ahead() -> None:
    with pytest.raises(ValueError, match=re.escape("Ahead must be at least 1, not 0")):
        Load(Config(), ahead=0)


class Bench:
    """LOAD and its reader; records what is written to the buffers and which tokens are given."""

    def __init__(self, name: str, **options) -> None:
        self.config = c = CONFIGS[name]
        self.dut, self.reader = Load(c), AxiReader(c)
        self.top = Module()
        self.top.submodules += [self.dut, self.reader]
        connect(self.top, self.dut.memory, self.reader.load)
        self.memory = AxiMemory(self.reader.bus, **options)
        self.memory.data[:] = random.Random(4).randbytes(len(self.memory.data))
        self.buffers: dict[tuple[int, int, int], int] = {}
        self.given: list[tuple[int, dict]] = []

    def shape(self, buffer: int) -> tuple[int, int]:
        """Rows and beats of a row."""
        c, what = self.config, Buffer(buffer).name.lower()
        bits, depth = getattr(c, f"{what}_word_bits"), getattr(c, f"{what}_depth")
        return depth // c.words_per_row(bits), c.beats_per_row(bits)

    def expected(self, buffer: int, row: int, rows: int, address: int) -> dict:
        size, (depth, beats) = self.memory.beat_bytes, self.shape(buffer)
        return {
            (buffer, (row + i // beats) % depth, i % beats): int.from_bytes(
                self.memory.data[address + i * size : address + (i + 1) * size], "little"
            )
            for i in range(rows * beats)
        }

    async def record(self, ctx) -> None:
        writes = (self.dut.act_write, self.dut.weight_write, self.dut.scale_write)
        tokens = self.dut.engine.tokens
        signals = [s for w in writes for s in (w.enable, w.row, w.beat, w.data)]
        while True:
            _, _, valid, mask, *values = await ctx.tick().sample(
                tokens.signal_valid, tokens.signal, *signals
            )
            for buffer in Buffer:
                enable, row, beat, data = values[buffer * 4 : buffer * 4 + 4]
                if enable:
                    self.buffers[int(buffer), row, beat] = data
            if valid:  # given no earlier than the last beat is written
                self.given.append((mask, dict(self.buffers)))

    def run(self, *testbenches, tokens: bool = True, **options) -> None:
        async def grant(ctx) -> None:
            ctx.set(self.dut.engine.tokens.wait_ready, tokens)

        background = [self.memory.read, self.record]
        simulate(self.top, grant, *testbenches, background=background, **options)


def instructions(*programs: dict) -> list[dict]:
    return [{"bits": encode(Opcode.LOAD, **p), "address": 16 * i} for i, p in enumerate(programs)]


@pytest.mark.parametrize(("stall", "latency"), [(0, 1), (0.3, 1), (0, 60), (0.2, 7)])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_random(name: str, stall: float, latency: int) -> None:
    bench, rng = Bench(name, stall=stall, latency=latency), random.Random(latency)
    program = []
    for i in range(24):
        buffer = rng.choice(list(Buffer))
        depth, beats = bench.shape(buffer)
        rows = rng.randint(1, depth)
        row = rng.randrange(depth if buffer == Buffer.WEIGHT else depth - rows + 1)
        size = bench.memory.beat_bytes
        address = rng.randrange((bench.memory.size - rows * beats * size) // size) * size
        program.append(
            {"buffer": buffer, "row": row, "rows": rows, "address": address, "signal": i % 4 * 2}
        )

    async def put(ctx) -> None:
        engine = bench.dut.engine
        await stream_put(ctx, engine.instructions, instructions(*program), stall=stall)
        await settle(ctx, engine.idle, cycles=20_000)
        assert ctx.get(engine.quiet)

    bench.run(put, cycles=40_000)
    assert [mask for mask, _ in bench.given] == [p["signal"] for p in program]
    state: dict = {}
    for instruction, (_, seen) in zip(program, bench.given, strict=True):
        now = bench.expected(**{k: v for k, v in instruction.items() if k != "signal"})
        state.update(now)
        assert {k: seen[k] for k in state} == state
    assert bench.buffers == state


@pytest.mark.parametrize(("rows", "latency"), [(2, 1), (8, 1), (8, 100), (48, 100)])
def test_sim_full_rate(rows: int, latency: int) -> None:
    """Successive LOADs leave no gap on the read channel."""
    bench = Bench("axi512", latency=latency, size=1 << 17)
    count = 600 // rows
    program = [
        {"buffer": Buffer.WEIGHT, "row": i * rows % 64, "rows": rows, "address": i * rows * 64}
        for i in range(count)
    ]

    async def put(ctx) -> None:
        await stream_put(ctx, bench.dut.engine.instructions, instructions(*program))
        await settle(ctx, bench.dut.engine.idle)

    bench.run(put)
    beats = bench.memory.read_beats
    assert len(beats) == rows * count
    assert beats[-1] - beats[0] == rows * count - 1


def test_sim_latency() -> None:
    """The figure of the docstring: ARVALID 5 cycles after the instruction was taken."""
    bench = Bench("axi512")

    async def put(ctx) -> None:
        program = instructions({"rows": 1, "address": 64})
        await stream_put(ctx, bench.dut.engine.instructions, program)
        assert await settle(ctx, bench.reader.bus.arvalid) == 4  # the first is the current one

    bench.run(put)


def _wrong(name: str) -> list[tuple[dict, ErrorCode]]:
    bench = Bench(name)
    c, size = bench.config, bench.memory.beat_bytes
    (acts, act_beats), (weights, _), (scales, _) = (bench.shape(b) for b in Buffer)
    good = {"buffer": 1, "row": 0, "rows": 1, "address": 0}
    top = (1 << c.addr_bits) - act_beats * size
    return [
        ({**good, "buffer": 3}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "rows": 0}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "wait": 1}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "signal": 5}, ErrorCode.ILLEGAL_FIELD),
        ({**good, "rows": weights + 1}, ErrorCode.BUFFER_RANGE),
        ({**good, "buffer": 0, "row": acts - 1, "rows": 2}, ErrorCode.BUFFER_RANGE),
        ({**good, "buffer": 2, "row": 16383, "rows": 1}, ErrorCode.BUFFER_RANGE),
        ({**good, "buffer": 2, "rows": scales + 1}, ErrorCode.BUFFER_RANGE),
        ({**good, "address": size // 2}, ErrorCode.ADDRESS),
        ({**good, "address": 1 << c.addr_bits}, ErrorCode.ADDRESS),
        ({**good, "buffer": 0, "rows": 2, "address": top}, ErrorCode.ADDRESS),
        ({**good, "address": (1 << 40) - size, "rows": 2}, ErrorCode.ADDRESS),
    ]


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("name", ["axi32", "axi512"])
def test_sim_error(name: str, case: int) -> None:
    fields, code = _wrong(name)[case]
    bench = Bench(name)

    async def put(ctx) -> None:
        good = {"buffer": 1, "row": 3, "rows": 1, "address": 64}
        await stream_put(ctx, bench.dut.engine.instructions, instructions(good, fields))
        error = bench.dut.engine.error
        await settle(ctx, error.valid)
        await ctx.tick().repeat(20)
        assert ctx.get(error.valid)
        assert ctx.get(error.code) == code
        assert ctx.get(error.address) == 16

    bench.run(put)
    assert len(bench.memory.reads) == 1


def test_sim_last_address() -> None:
    """The last beat below the address width is legal."""
    bench = Bench("axi32")
    top = 1 << bench.config.addr_bits
    bench.memory.base = top - bench.memory.size
    beats = bench.shape(Buffer.ACT)[1]

    async def put(ctx) -> None:
        program = instructions({"buffer": 0, "rows": 2, "address": top - 2 * beats * 4})
        await stream_put(ctx, bench.dut.engine.instructions, program)
        await settle(ctx, bench.dut.engine.idle)
        assert not ctx.get(bench.dut.engine.error.valid)

    bench.run(put)
    assert len(bench.buffers) == 2 * beats


def test_sim_waits() -> None:
    """Without tokens nothing is asked of memory, and `waiting` shows once all else is done."""
    bench = Bench("axi32", latency=30)

    async def put(ctx) -> None:
        engine = bench.dut.engine
        free = {"buffer": 1, "row": 0, "rows": 4, "address": 0}
        bound = {"buffer": 1, "row": 4, "rows": 1, "address": 64, "wait": 6}
        ctx.set(engine.tokens.wait_ready, 1)
        await stream_put(ctx, engine.instructions, instructions(free, bound))
        await settle(ctx, engine.tokens.wait, 6)
        ctx.set(engine.tokens.wait_ready, 0)
        assert not ctx.get(engine.waiting)  # the first one is still under way
        await settle(ctx, engine.waiting)
        await ctx.tick()  # for `record`, which looks at the end of each cycle
        assert len(bench.buffers) == 8
        await ctx.tick().repeat(20)
        assert ctx.get(engine.waiting)
        assert not ctx.get(engine.idle)
        assert len(bench.memory.reads) == 1
        ctx.set(engine.tokens.wait_ready, 1)
        await ctx.tick()
        assert not ctx.get(engine.tokens.wait_valid)  # asks once only
        await settle(ctx, engine.idle)
        await ctx.tick()
        assert len(bench.buffers) == 10

    bench.run(put)


def test_sim_halt() -> None:
    bench = Bench("axi32")

    async def put(ctx) -> None:
        engine = bench.dut.engine
        program = instructions({"rows": 1, "address": 0}, {"rows": 1, "address": 64})
        ctx.set(engine.halt, 1)
        ctx.set(engine.instructions.payload, program[0])
        ctx.set(engine.instructions.valid, 1)
        await ctx.tick().repeat(20)
        assert not ctx.get(engine.instructions.ready)

    bench.run(put)
    assert not bench.memory.reads
