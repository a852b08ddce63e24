"""Estimates: sums of layers, boards and their memories, several accelerators, attention."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lutra.boards.memory.kinds import Sdram
from lutra.boards.memory.sdram_chip import SDR_16M16
from lutra.gen.config_names import load_config
from lutra.host.estimator.estimate import estimate
from lutra.host.estimator.model_shape import EstimateError, ModelShape, WeightFormat
from lutra.host.estimator.platforms import (
    find_platform,
    platform_names,
    sdram_rate,
)

from ...boards.memory.test_sdram import Bench

SMALL = ModelShape(
    name="small", source="test", width=512, hidden=1408, layers=3, heads=8, kv_heads=2,
    head_width=64, vocabulary=1000, gated=True, weights=WeightFormat(bits=2, ternary=True),
)  # fmt: skip

TINY = replace(SMALL, width=128, hidden=256, head_width=16, layers=9)


def test_totals_are_sums():
    e = estimate(SMALL, find_platform("kv260"), prompt=16)
    assert e.cycles("decode") == sum(layer.cycles for layer in e.decode)
    assert e.tokens_per_second("decode") == 250e6 / e.cycles("decode")
    assert e.tokens_per_second("prefill") == 16 * 250e6 / e.cycles("prefill")
    macs = sum(layer.macs for layer in e.decode)
    assert macs == SMALL.parameters
    for layer in (*e.decode, *e.prefill):
        assert 0 < layer.bound_fraction <= 1
    assert e.fits
    # 2 bits a weight, 8 of the output layer, whose 1000 outputs fill 63 blocks of 16.
    blocks = SMALL.parameters - 1000 * 512
    assert e.weight_bytes == blocks / 4 + 1008 * 512


def test_decode_is_bound_by_memory_and_prefill_by_lookups():
    e = estimate(SMALL, find_platform("kv260"), prompt=32)
    assert {layer.bound for layer in e.decode} == {"bandwidth"}
    assert {layer.bound for layer in e.prefill if layer.rows > 1} == {"lookups"}
    slow = estimate(SMALL, replace(find_platform("kv260"), bandwidth=1e9))
    assert 10 < slow.cycles("decode") / e.cycles("decode") < 16


def test_weights_of_more_bits_take_longer():
    platform = find_platform("ulx3s")
    two = estimate(SMALL, platform).cycles("decode")
    four = replace(SMALL, weights=WeightFormat(bits=4, group_size=128))
    assert 1.5 < estimate(four, platform).cycles("decode") / two < 2.1


def test_native_ternary_takes_one_plane():
    platform = find_platform("alveo_u280")
    cycles = [
        estimate(SMALL, platform, config=load_config(name)).cycles("prefill")
        for name in ("w2a8", "w1p58a8")
    ]
    assert cycles[1] < cycles[0]


def test_accelerators_share_outputs_and_bandwidth():
    platform = find_platform("alveo_u280")
    one = estimate(SMALL, platform)
    four = estimate(SMALL, replace(platform, accelerators=4))
    assert 2.5 < one.cycles("decode") / four.cycles("decode") <= 4
    # A memory that one accelerator exhausts is no faster with four.
    narrow = replace(platform, bandwidth=2e9)
    ratio = estimate(SMALL, narrow).cycles("decode") / estimate(
        SMALL, replace(narrow, accelerators=4)
    ).cycles("decode")
    assert 0.8 < ratio < 1.05


def test_attention_is_counted_where_asked():
    platform = find_platform("kv260")
    without = estimate(SMALL, platform, context=256)
    e = estimate(SMALL, platform, context=256, cache_bits=4)
    names = {layer.linear.name: layer for layer in e.decode}
    assert names["attn_scores"].linear.count == 3 * 2
    assert names["attn_scores"].rows == 4
    assert names["attn_mix"].linear.k == 256
    assert e.cycles("decode") > without.cycles("decode")
    assert len(without.decode) == 5


def test_boards_without_a_large_memory_are_named():
    with pytest.raises(EstimateError, match="orangecrab has 64 KiB of block RAM and no larger"):
        estimate(SMALL, find_platform("orangecrab"))
    e = estimate(TINY, replace(find_platform("orangecrab"), bandwidth=1e8), prompt=1)
    assert not e.fits
    with pytest.raises(EstimateError, match=r"board must be one of ulx3s_85f, .*not 'kria'"):
        find_platform("kria")
    for name in platform_names():
        assert find_platform(name).name == name


@pytest.mark.parametrize(("data_bits", "clock_hz"), [(32, 40e6), (512, 40e6), (128, 100e6)])
def test_sdram_rate_is_that_of_the_controller(data_bits: int, clock_hz: float):
    """Successive beats over several rows and refreshes on the simulated controller: within 3 %."""
    bench = Bench(data_bits, clock_hz, replace(SDR_16M16, t_init=2000), 2)
    beats = 8192 * 8 // data_bits

    async def drive(ctx) -> None:
        for i in range(beats):
            await bench.access(ctx, i, 1)
        for i in range(beats):
            await bench.access(ctx, i)
        await ctx.tick().repeat(60)

    bench.run(drive, cycles=40_000)
    first, last = bench.answers[0][0], bench.answers[-1][0]
    measured = (beats - 1) * data_bits / 8 / (last - first)
    rate = sdram_rate(Sdram.of(SDR_16M16), data_bits, clock_hz)
    assert rate == pytest.approx(measured, rel=0.03)
