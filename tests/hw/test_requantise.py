# amaranth: UnusedElaboratable=no
"""Requantisation against its formula."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from amaranth.lib import data

from lutra.hw.config import Config
from lutra.hw.requantise import Requantise, requantise

from .helpers import CONFIGS, simulate, stream_get, stream_put

_TAG = data.StructLayout({"number": 8})


def test_init_wrong_lanes() -> None:
    with pytest.raises(ValueError, match=re.escape("Lanes must be at least 1, not 0")):
        Requantise(Config(), lanes=0, tag=_TAG)


def _psums(config: Config, count: int, rng: np.random.Generator) -> np.ndarray:
    limit = 1 << (config.psum_bits - 1)
    wide = rng.integers(-limit, limit, count)
    return np.concatenate([wide >> rng.integers(0, config.psum_bits, count), [-limit, limit - 1]])


def test_formula() -> None:
    """Round half up, in exact rational arithmetic."""
    rng = np.random.default_rng(0)
    for shift in (0, 1, 2, 7, 20, 63):
        multiplier = int(rng.integers(0, 1 << 16))
        psums = _psums(CONFIGS["axi128"], 200, rng)
        wanted = [
            min(max((Fraction(int(x) * multiplier, 1 << shift) + Fraction(1, 2)).__floor__(), -128),
                127)
            for x in psums
        ]  # fmt: skip
        got = requantise(psums, multiplier=multiplier, shift=shift, act_bits=8)
        assert got.tolist() == wanted


@pytest.mark.parametrize(("stall_in", "stall_out"), [(0, 0), (0.4, 0), (0, 0.4), (0.3, 0.3)])
@pytest.mark.parametrize(("name", "lanes"), [("axi32", 4), ("axi64", 1), ("axi128", 2)])
def test_sim_random(name: str, lanes: int, stall_in: float, stall_out: float) -> None:
    config, rng = CONFIGS[name], np.random.default_rng(lanes)
    dut = Requantise(config, lanes=lanes, tag=_TAG)
    items, wanted = [], []
    for number in range(150):
        shift = int(rng.choice([0, 1, 63, rng.integers(0, 64), rng.integers(0, 30)]))
        multiplier = int(rng.choice([0, 1, 65535, rng.integers(0, 65536)]))
        psums = rng.permutation(_psums(config, lanes, rng))[:lanes]
        items.append(
            {
                "psums": psums.tolist(),
                "multiplier": multiplier,
                "shift": shift,
                "tag": {"number": number},
            }
        )
        values = requantise(psums, multiplier=multiplier, shift=shift, act_bits=config.act_bits)
        wanted.append((values.tolist(), number))

    async def put(ctx) -> None:
        await stream_put(ctx, dut.i, items, stall=stall_in)

    async def get(ctx) -> None:
        got = await stream_get(ctx, dut.o, len(items), stall=stall_out)
        assert [(list(g["values"]), g.tag.number) for g in got] == wanted
        assert not ctx.get(dut.busy)

    simulate(dut, put, get)


def test_sim_full_rate_and_latency() -> None:
    dut, count = Requantise(Config(), lanes=2, tag=_TAG), 60

    async def put(ctx) -> None:
        await stream_put(ctx, dut.i, [{"psums": [1, 2], "multiplier": 1}] * count)

    async def get(ctx) -> None:
        await stream_get(ctx, dut.o, count)

    simulate(dut, put, get, cycles=count + dut.latency)
