# amaranth: UnusedElaboratable=no
"""Splitting requests into AXI4 bursts."""

from __future__ import annotations

import random
import re

import pytest

from lutra.hw.bursts import Bursts, burst_beats, request_beats
from lutra.hw.config import Config

from .helpers import CONFIGS, simulate, stream_get, stream_put


@pytest.mark.parametrize("beats", [0, 3, 512, -1])
def test_init_wrong_beats(beats: int) -> None:
    message = f"Beats must be a power of two from 1 to 64, not {beats}"
    with pytest.raises(ValueError, match=re.escape(message)):
        Bursts(Config(), beats=beats)


def test_init_limits() -> None:
    assert burst_beats(CONFIGS["axi32"]) == 256
    assert burst_beats(Config(axi_bits=512)) == 64
    assert request_beats(CONFIGS["axi32"]) == 16 * 16


def split(address: int, beats: int, *, size: int, longest: int) -> list[tuple[int, int, int]]:
    """Bursts (address, length, last) of a request, by definition."""
    out = []
    while beats:
        n = min(beats, longest - address // size % longest)
        out.append((address, n - 1, int(n == beats)))
        address, beats = address + n * size, beats - n
    return out


@pytest.mark.parametrize(("stall_in", "stall_out"), [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.3)])
@pytest.mark.parametrize(("name", "longest"), [("axi32", 256), ("axi32", 16), ("axi512", 64)])
def test_sim_bursts(name: str, longest: int, stall_in: float, stall_out: float) -> None:
    config, rng = CONFIGS[name], random.Random(longest)
    size, most = config.axi_bits // 8, request_beats(config)
    edge = 4096 - size
    requests = [(edge, 1), (edge, 2), (0, most), (size, most), ((1 << 32) - 4096, 4096 // size)]
    requests += [
        (rng.randrange(1 << 20) * size, rng.randint(1, rng.choice([2, most]))) for _ in range(30)
    ]
    requests = [(a, min(n, most)) for a, n in requests]
    wanted = [b for a, n in requests for b in split(a, n, size=size, longest=longest)]
    dut = Bursts(config, beats=longest)

    async def put(ctx) -> None:
        items = [{"address": a, "beats": n} for a, n in requests]
        await stream_put(ctx, dut.requests, items, stall=stall_in)

    async def get(ctx) -> None:
        got = await stream_get(ctx, dut.bursts, len(wanted), stall=stall_out)
        assert [(b.address, b.length, b.last) for b in got] == wanted
        assert all(a // 4096 == (a + (n + 1) * size - 1) // 4096 for a, n, _ in wanted)

    simulate(dut, put, get)


def test_sim_full_rate() -> None:
    dut, count = Bursts(Config(), beats=64), 40

    async def put(ctx) -> None:
        items = [{"address": i << 12, "beats": 1 + 64 * (i % 2)} for i in range(count)]
        await stream_put(ctx, dut.requests, items)

    async def get(ctx) -> None:
        await stream_get(ctx, dut.bursts, count + count // 2)

    # A cycle between two requests, in which the next one is taken.
    simulate(dut, put, get, cycles=2 * count + count // 2 + 4)
