# amaranth: UnusedElaboratable=no
"""The controller: life of a program, error latch, counters."""

from __future__ import annotations

import re

import pytest

from lutra.hw.control import ERROR_SOURCES, Controller
from lutra.hw.isa import ISA_VERSION, ErrorCode
from lutra.hw.registers import COUNTERS, MAGIC, Control, Register, Status

from .helpers import settle, simulate

HASH = 0x0123456789ABCDEF


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((3, 0), ValueError, "Beat bytes must be a power of two, not 3"),
        ((4, 1 << 64), ValueError, "Configuration hash must be from 0 to 2**64 - 1, not 18446"),
        ((4, -1), ValueError, "Configuration hash must be from 0 to 2**64 - 1, not -1"),
        ((4, "ab"), TypeError, "Configuration hash must be an integer, not 'ab'"),
    ],
)
def test_init_wrong(args, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Controller(args[0], config_hash=args[1])


class Bench:
    def __init__(self, **options: int) -> None:
        self.dut = Controller(64, config_hash=HASH, **options)

    async def write(self, ctx, register: int, value: int, strobe: int = 15) -> None:
        port = self.dut.registers
        ctx.set(port.write_address, register // 4)
        ctx.set(port.write_data, value)
        ctx.set(port.strobe, strobe)
        ctx.set(port.write, 1)
        await ctx.tick()
        ctx.set(port.write, 0)

    async def read(self, ctx, register: int) -> int:
        ctx.set(self.dut.registers.read_address, register // 4)
        await ctx.tick()
        return ctx.get(self.dut.registers.read_data)

    async def start(self, ctx) -> None:
        await self.write(ctx, Register.CONTROL, Control.START)
        assert ctx.get(self.dut.start)
        await ctx.tick()
        assert not ctx.get(self.dut.start)

    async def end(self, ctx) -> None:
        """The port is quiet: one cycle of DRAIN, one of RESET."""
        assert ctx.get(self.dut.halt)
        ctx.set(self.dut.quiet, 1)
        await ctx.tick()
        assert ctx.get(self.dut.halt)
        assert ctx.get(self.dut.reset_engines)
        await ctx.tick()
        assert not ctx.get(self.dut.halt)
        assert not ctx.get(self.dut.reset_engines)
        await ctx.tick()


def test_sim_constants() -> None:
    bench = Bench()

    async def run(ctx) -> None:
        assert await bench.read(ctx, Register.MAGIC) == MAGIC
        assert await bench.read(ctx, Register.ISA_VERSION) == ISA_VERSION
        assert await bench.read(ctx, Register.CONFIG_HASH_LO) == HASH & 0xFFFFFFFF
        assert await bench.read(ctx, Register.CONFIG_HASH_HI) == HASH >> 32
        for offset in (0x30, 0x3C, 0x5C, 0x100, 0xFFC):
            await bench.write(ctx, offset, 0xFFFFFFFF)
            assert await bench.read(ctx, offset) == 0
        assert await bench.read(ctx, Register.MAGIC) == MAGIC
        assert await bench.read(ctx, Register.STATUS) == 0

    simulate(bench.dut, run)


def test_sim_program_registers() -> None:
    bench = Bench()

    async def run(ctx) -> None:
        await bench.write(ctx, Register.PROGRAM_LO, 0x11223344)
        await bench.write(ctx, Register.PROGRAM_HI, 0x55667788)
        await bench.write(ctx, Register.PROGRAM_LENGTH, 0x99AABBCC)
        await bench.write(ctx, Register.PROGRAM_LENGTH, 0xFFFFFFFF, strobe=0b0100)
        assert ctx.get(bench.dut.base) == 0x5566778811223344
        assert ctx.get(bench.dut.length) == 0x99FFBBCC
        assert await bench.read(ctx, Register.PROGRAM_HI) == 0x55667788
        assert await bench.read(ctx, Register.PROGRAM_LENGTH) == 0x99FFBBCC
        await bench.start(ctx)
        await bench.write(ctx, Register.PROGRAM_LO, 0)
        assert ctx.get(bench.dut.base) == 0x5566778811223344

    simulate(bench.dut, run)


def test_sim_done() -> None:
    bench = Bench()
    dut = bench.dut

    async def run(ctx) -> None:
        for _ in range(2):
            await bench.start(ctx)
            assert await bench.read(ctx, Register.STATUS) == Status.BUSY
            assert not ctx.get(dut.irq)
            await bench.write(ctx, Register.CONTROL, Control.START)  # ignored while BUSY
            assert not ctx.get(dut.start)
            ctx.set(dut.quiet, 0)
            ctx.set(dut.done, 1)
            await ctx.tick().repeat(5)
            ctx.set(dut.done, 0)
            assert await bench.read(ctx, Register.STATUS) == Status.BUSY
            await bench.end(ctx)
            assert ctx.get(dut.irq)
            assert await bench.read(ctx, Register.STATUS) == Status.DONE
            assert await bench.read(ctx, Register.ERROR_CODE) == ErrorCode.NONE

    simulate(dut, run)


def test_sim_narrow_program_registers() -> None:
    """All bits beyond the address width are one, which FETCH takes for an address beyond it."""
    bench = Bench(addr_bits=17)

    async def run(ctx) -> None:
        for value, high, length in ((0x1FFF0, 0, 0x2000), (0, 0, 0)):
            await bench.write(ctx, Register.PROGRAM_LO, value)
            await bench.write(ctx, Register.PROGRAM_HI, high)
            await bench.write(ctx, Register.PROGRAM_LENGTH, length)
            assert ctx.get(bench.dut.base) == value
            assert ctx.get(bench.dut.length) == length
        await bench.write(ctx, Register.PROGRAM_LO, 0x8000_1230)
        assert ctx.get(bench.dut.base) == 0x21230
        await bench.write(ctx, Register.PROGRAM_HI, 0x500)
        assert ctx.get(bench.dut.base) == (1 << 32) + 0x21230
        await bench.write(ctx, Register.PROGRAM_LENGTH, 0xFFFF_FFFF)
        assert ctx.get(bench.dut.length) == (1 << 15) - 1

    simulate(bench.dut, run)


def test_sim_what_is_left_out_reads_as_zero() -> None:
    bench = Bench(counters=0, error_addresses=0)
    dut = bench.dut

    async def run(ctx) -> None:
        await bench.start(ctx)
        for strobe in (dut.array_busy, dut.table_stall, dut.read_beat, dut.write_beat):
            ctx.set(strobe, 1)
        await ctx.tick().repeat(7)
        ctx.set(dut.load_error.code, ErrorCode.ADDRESS)
        ctx.set(dut.load_error.address, 0x1234)
        ctx.set(dut.load_error.valid, 1)
        await ctx.tick()
        ctx.set(dut.load_error.valid, 0)
        await bench.end(ctx)
        got = {name: await bench.read(ctx, register) for name, register in COUNTERS.items()}
        assert got == {**dict.fromkeys(COUNTERS, 0), "cycles": 8}
        assert await bench.read(ctx, Register.ERROR_CODE) == ErrorCode.ADDRESS
        assert await bench.read(ctx, Register.ERROR_ADDRESS_LO) == 0

    simulate(dut, run)


@pytest.mark.parametrize("source", ERROR_SOURCES)
def test_sim_error(source: str) -> None:
    bench = Bench()
    dut = bench.dut

    async def run(ctx) -> None:
        report = getattr(dut, f"{source}_error")
        await bench.start(ctx)
        ctx.set(report.code, ErrorCode.ADDRESS)
        ctx.set(report.address, 0xA5_0123_4567)
        ctx.set(report.valid, 1)
        ctx.set(dut.done, 1)  # an error beats END
        await ctx.tick()
        for other in ERROR_SOURCES:  # and the first error beats later ones
            if other != source:
                ctx.set(getattr(dut, f"{other}_error").valid, 1)
        await ctx.tick().repeat(3)
        for other in ERROR_SOURCES:
            ctx.set(getattr(dut, f"{other}_error").valid, 0)
        ctx.set(dut.done, 0)
        assert await bench.read(ctx, Register.STATUS) == Status.BUSY
        await bench.end(ctx)
        assert ctx.get(dut.irq)
        assert await bench.read(ctx, Register.STATUS) == Status.ERROR
        assert await bench.read(ctx, Register.ERROR_CODE) == ErrorCode.ADDRESS
        assert await bench.read(ctx, Register.ERROR_ADDRESS_LO) == 0x01234567
        assert await bench.read(ctx, Register.ERROR_ADDRESS_HI) == 0xA5
        await bench.start(ctx)
        assert await bench.read(ctx, Register.ERROR_CODE) == ErrorCode.NONE
        assert await bench.read(ctx, Register.ERROR_ADDRESS_HI) == 0
        assert not ctx.get(dut.irq)

    simulate(dut, run)


def test_sim_first_source_wins() -> None:
    bench = Bench()

    async def run(ctx) -> None:
        await bench.start(ctx)
        for number, source in enumerate(ERROR_SOURCES[2:]):
            report = getattr(bench.dut, f"{source}_error")
            ctx.set(report.address, number + 100)
            ctx.set(report.valid, 1)
        await ctx.tick()
        assert await bench.read(ctx, Register.ERROR_ADDRESS_LO) == 100

    simulate(bench.dut, run)


@pytest.mark.parametrize("when", ["idle", "run", "drain", "failed"])
@pytest.mark.parametrize("command", [Control.RESET, Control.RESET | Control.START])
def test_sim_reset(when: str, command: Control) -> None:
    """RESET leaves an idle device without status, from wherever it came."""
    bench = Bench()
    dut = bench.dut

    async def run(ctx) -> None:
        if when != "idle":
            await bench.start(ctx)
        if when in ("drain", "failed"):
            ctx.set(dut.load_error.code, ErrorCode.BUFFER_RANGE)
            ctx.set(dut.load_error.valid, 1)
            await ctx.tick().repeat(2)
            ctx.set(dut.load_error.valid, 0)
        if when == "failed":
            await bench.end(ctx)
            assert await bench.read(ctx, Register.STATUS) == Status.ERROR
            ctx.set(dut.quiet, 0)
        await bench.write(ctx, Register.CONTROL, command)
        await ctx.tick().repeat(4)
        assert await bench.read(ctx, Register.STATUS) == Status.BUSY
        assert not ctx.get(dut.start)
        await bench.end(ctx)
        assert await bench.read(ctx, Register.STATUS) == 0
        assert await bench.read(ctx, Register.ERROR_CODE) == 0
        assert not ctx.get(dut.irq)
        await bench.start(ctx)

    simulate(dut, run)


def test_sim_counters() -> None:
    bench = Bench()
    dut = bench.dut
    strobes = {
        "array_busy": dut.array_busy, "table_stall": dut.table_stall,
        "weight_stall": dut.weight_stall, "store_stall": dut.store_stall,
        "bytes_read": dut.read_beat, "bytes_written": dut.write_beat,
    }  # fmt: skip

    async def run(ctx) -> None:
        for _ in range(2):  # cleared at START
            ctx.set(dut.quiet, 0)
            await bench.start(ctx)
            for number, strobe in enumerate(strobes.values()):
                ctx.set(strobe, 1)
                await ctx.tick().repeat(number + 2)
                ctx.set(strobe, 0)
            ctx.set(dut.done, 1)
            await ctx.tick()
            ctx.set(dut.done, 0)
            for strobe in strobes.values():  # in DRAIN only bytes count
                ctx.set(strobe, 1)
            await ctx.tick()
            for strobe in strobes.values():
                ctx.set(strobe, 0)
            await bench.end(ctx)
            await ctx.tick().repeat(5)
            got = {name: await bench.read(ctx, register) for name, register in COUNTERS.items()}
            assert got == {
                "cycles": sum(range(2, 8)) + 1, "array_busy": 2, "table_stall": 3,
                "weight_stall": 4, "store_stall": 5, "bytes_read": 7 * 64, "bytes_written": 8 * 64,
            }  # fmt: skip

    simulate(dut, run)


def test_sim_drains_before_reset() -> None:
    bench = Bench()
    dut = bench.dut

    async def run(ctx) -> None:
        await bench.start(ctx)
        await bench.write(ctx, Register.CONTROL, Control.RESET)
        for _ in range(30):
            assert ctx.get(dut.halt)
            assert not ctx.get(dut.reset_engines)
            await ctx.tick()
        ctx.set(dut.quiet, 1)
        assert await settle(ctx, dut.reset_engines) == 1

    simulate(dut, run)
