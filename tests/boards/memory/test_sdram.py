# amaranth: UnusedElaboratable=no
"""The SDRAM controller against a chip that checks every time and every rule."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lutra.boards.memory.sdram import SdramController
from lutra.boards.memory.sdram_chip import SDR_16M16, SdramTiming
from lutra.boards.memory.sdram_pads import SdramClockError, capture_delay

from ...hw.helpers import simulate
from .sdram_chip_model import SdramModel

#: The real chip's times, but a short start and few rows, so that refresh comes often.
CHIP = replace(SDR_16M16, t_init=2000, row_bits=11, column_bits=4, refresh_period=2000 * 2048)


def test_chip_size() -> None:
    assert SDR_16M16.size == 32 << 20


def test_timing_in_cycles() -> None:
    timing = SdramTiming(SDR_16M16, 50e6)
    assert [timing.cycles(t) for t in (1, 20, 20.1, 70)] == [1, 1, 2, 4]
    assert timing.refresh_interval == 371  # 7.8 us would be 390
    with pytest.raises(ValueError, match="SDRAM clock must be from 1 to 133 MHz, not 150"):
        SdramTiming(SDR_16M16, 150e6)


@pytest.mark.parametrize(
    ("data_bits", "late", "message"),
    [
        (48, 0, "Data width must be 16 times a power of two, not 48"),
        (8, 0, "Data width must be 16 times a power of two, not 8"),
        (512, 0, "Data width must not exceed a row, as 512 does"),
        (64, 4, "Late must be from 0 to 3, not 4"),
    ],
)
def test_init_wrong(data_bits: int, late: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SdramController(CHIP, data_bits=data_bits, clock_hz=50e6, late=late)


class Bench:
    def __init__(self, data_bits: int, clock_hz: float, chip=CHIP, late: int = 0) -> None:
        self.dut = SdramController(chip, data_bits=data_bits, clock_hz=clock_hz, late=late)
        self.model = SdramModel(chip, self.dut.pins, clock_hz, late)
        self.answers: list[tuple[int, int]] = []  # (cycle, data)
        self.cycle = 0

    async def collect(self, ctx) -> None:
        port = self.dut.port
        while True:
            _, _, valid, data = await ctx.tick().sample(port.read_valid, port.read_data)
            self.cycle += 1
            if valid:
                self.answers.append((self.cycle, data))

    async def access(self, ctx, address: int, data: int | None = None, strobe: int = -1) -> None:
        port = self.dut.port
        ctx.set(port.valid, 1)
        ctx.set(port.address, address)
        ctx.set(port.write, data is not None)
        ctx.set(port.data, data or 0)
        ctx.set(port.strobe, strobe & (1 << len(port.strobe)) - 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)

    def run(self, bench, cycles: int = 60_000) -> None:
        simulate(self.dut, bench, background=[self.model.run, self.collect], cycles=cycles)


@pytest.mark.parametrize(("data_bits", "clock_hz", "cas_latency", "late"), [
    (32, 50e6, 2, 0), (64, 62.5e6, 3, 1), (16, 100e6, 3, 3), (256, 25e6, 2, 2), (128, 133e6, 3, 0),
])  # fmt: skip
def test_sim_random_accesses(data_bits: int, clock_hz: float, cas_latency: int, late: int) -> None:
    chip = replace(CHIP, cas_latency=cas_latency)
    bench, rng = Bench(data_bits, clock_hz, chip, late), random.Random(data_bits)
    depth, size = chip.size * 8 // data_bits, data_bits // 8
    # Places that share rows, share banks only, and lie at both ends.
    pool = [rng.randrange(depth) for _ in range(6)] + list(range(6)) + [depth - 1, depth - 2]
    state: dict[int, int] = {}
    expected: list[int] = []

    async def drive(ctx) -> None:
        for address in pool:
            state[address] = rng.getrandbits(data_bits)
            await bench.access(ctx, address, state[address])
        for _ in range(400):
            address = rng.choice(pool)
            if rng.random() < 0.4:
                strobe, data = rng.getrandbits(size), rng.getrandbits(data_bits)
                mask = sum(255 << 8 * i for i in range(size) if strobe >> i & 1)
                await bench.access(ctx, address, data, strobe)
                state[address] = state[address] & ~mask | data & mask
            else:
                await bench.access(ctx, address)
                expected.append(state[address])
            if rng.random() < 0.05:
                await ctx.tick().repeat(rng.randrange(300))
        await ctx.tick().repeat(100)

    bench.run(drive)
    assert [data for _, data in bench.answers] == expected
    assert bench.model.commands["REFRESH"] > 20


def test_sim_speed_of_a_burst() -> None:
    """Successive beats of open rows: columns + 1 cycles each, but for rows and refresh."""
    bench, beats = Bench(128, 50e6, replace(CHIP, column_bits=9, refresh_period=7800 * 2048)), 128

    async def drive(ctx) -> None:
        for i in range(beats):
            await bench.access(ctx, i, i)
        for i in range(beats):
            await bench.access(ctx, i)
        await ctx.tick().repeat(60)

    bench.run(drive)
    assert [data for _, data in bench.answers] == list(range(beats))
    first, last = bench.answers[0][0], bench.answers[-1][0]
    assert (last - first) / (beats - 1) < 9.3  # 8 columns


@pytest.mark.parametrize(("clock_hz", "late"), [(25e6, 2), (40e6, 2), (100e6, 3), (125e6, 3)])
def test_capture_delay(clock_hz: float, late: int) -> None:
    assert capture_delay(clock_hz) == late


@pytest.mark.parametrize("clock_hz", [50e6, 66e6, 130e6])
def test_clock_that_suits_no_edge(clock_hz: float) -> None:
    with pytest.raises(SdramClockError, match=r"at most 41\.7 MHz, or from 90\.9 to 125 MHz"):
        capture_delay(clock_hz)
