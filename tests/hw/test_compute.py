"""COMPUTE against the definition of LMMA, over shapes, elements, planes and group parameters."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.hw.config import Config
from lutra.hw.digits import digit_range
from lutra.hw.isa import ErrorCode, Opcode

from .compute_bench import ComputeBench, lmma_reference, random_digits

_SMALL = {"act_depth": 64, "weight_depth": 64, "scale_depth": 32, "psum_depth": 32}
CONFIGS = {
    "m1": Config(lanes=4, tables=2, axi_bits=32, **_SMALL),
    "m2_u1": Config(rows=2, lanes=8, tables=1, axi_bits=32, **_SMALL),
    "odd": Config(rows=3, lanes=5, tables=7, lookup_group=3, act_bits=5, axi_bits=32, **_SMALL),
    "l5_piped": Config(lanes=4, tables=4, lookup_group=5, tree_pipeline=1, axi_bits=64, **_SMALL),
    "l2_a16": Config(
        lanes=4, tables=4, lookup_group=2, act_bits=16, psum_bits=40, axi_bits=32, **_SMALL
    ),
    "no_scale": Config(lanes=4, tables=4, scale_bits=0, tree_pipeline=2, axi_bits=32, **_SMALL),
    "lut3": Config(pe="lut3", rows=2, lanes=4, tables=3, lookup_group=3, axi_bits=32, **_SMALL),
    "quantised": Config(rows=2, lanes=4, tables=3, table_bits=8, axi_bits=32, **_SMALL),
    "exponents": Config(
        rows=2,
        lanes=4,
        tables=4,
        act_bits=6,
        act_exponent_bits=4,
        table_bits=6,
        psum_bits=56,
        axi_bits=32,
        **_SMALL,
    ),
    "full": Config(rows=2, lanes=4, tables=3, table_form="full", axi_bits=32, **_SMALL),
    "lutram": Config(
        rows=2,
        lanes=4,
        tables=5,
        lookup_group=3,
        table_storage="lutram",
        tree_pipeline=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lutram_one_bank": Config(
        lanes=4,
        tables=6,
        lookup_group=5,
        table_storage="lutram",
        table_banks=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lutram_full": Config(
        rows=2,
        lanes=4,
        tables=3,
        lookup_group=5,
        table_storage="lutram",
        table_banks=1,
        table_form="full",
        axi_bits=32,
        **_SMALL,
    ),
    "lutram_single": Config(
        lanes=8, tables=1, table_storage="lutram", table_form="full", axi_bits=32, **_SMALL
    ),
    "lutram_quantised": Config(
        lanes=4, tables=4, table_storage="lutram", table_bits=7, axi_bits=32, **_SMALL
    ),
    "stream": Config(
        rows=2,
        lanes=4,
        tables=6,
        table_storage="lutram",
        table_feed="stream",
        axi_bits=32,
        tree_pipeline=1,
        **_SMALL,
    ),
    "stream_turns": Config(
        rows=4,
        lanes=3,
        tables=2,
        table_storage="lutram",
        table_feed="stream",
        feed_rows=2,
        axi_bits=32,
        tree_pipeline=1,
        **_SMALL,
    ),
    "stream_one_bank": Config(
        lanes=4,
        tables=4,
        lookup_group=5,
        table_storage="lutram",
        table_feed="stream",
        table_banks=1,
        axi_bits=32,
        tree_pipeline=2,
        **_SMALL,
    ),
    "stream_full": Config(
        rows=2,
        lanes=4,
        tables=4,
        lookup_group=4,
        table_storage="lutram",
        table_feed="stream",
        table_form="full",
        group_zeros=0,
        scale_bits=0,
        max_shift=1,
        axi_bits=32,
        **_SMALL,
    ),
    "bram": Config(
        lanes=5,
        tables=2,
        lookup_group=7,
        table_storage="bram",
        table_banks=1,
        axi_bits=32,
        tree_pipeline=1,
        **_SMALL,
    ),
    "bram_stream": Config(
        rows=2,
        lanes=4,
        tables=2,
        lookup_group=8,
        table_storage="bram",
        table_banks=1,
        table_feed="stream",
        feed_rows=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lut3_stream": Config(
        pe="lut3",
        rows=2,
        lanes=4,
        tables=4,
        lookup_group=3,
        table_storage="lutram",
        table_feed="stream",
        table_banks=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lut3_stream_full": Config(
        pe="lut3",
        lanes=4,
        tables=4,
        lookup_group=3,
        table_storage="lutram",
        table_form="full",
        table_feed="stream",
        axi_bits=32,
        **_SMALL,
    ),
    "lut3_lutram": Config(
        pe="lut3",
        rows=2,
        lanes=4,
        tables=3,
        lookup_group=3,
        table_storage="lutram",
        table_banks=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lut3_bram": Config(
        pe="lut3",
        rows=2,
        lanes=3,
        tables=4,
        lookup_group=3,
        table_storage="bram",
        table_feed="stream",
        table_banks=1,
        axi_bits=32,
        **_SMALL,
    ),
    "lut3_full": Config(
        pe="lut3",
        lanes=4,
        tables=3,
        lookup_group=3,
        table_storage="lutram",
        table_form="full",
        axi_bits=32,
        **_SMALL,
    ),
    "add": Config(pe="add", lanes=4, tables=3, axi_bits=32, **_SMALL),
    "mac": Config(pe="mac", rows=2, lanes=4, tables=2, axi_bits=32, **_SMALL),
    "shiftadd": Config(
        pe="shiftadd", weight_bits=4, max_shift=4, lanes=4, tables=2, axi_bits=32, **_SMALL
    ),
    "xnor": Config(
        pe="bitserial", popcount="xnor", rows=2, lanes=4, tables=2, axi_bits=32, **_SMALL
    ),
    "bitserial": Config(pe="bitserial", rows=2, lanes=4, tables=2, axi_bits=32, **_SMALL),
}


def _random(config: Config, rng, extreme: bool):
    low, high = -(1 << config.act_bits - 1), (1 << config.act_bits - 1) - 1
    shape = (24, config.k_block, config.rows)
    acts = rng.choice([low, high], shape) if extreme else rng.integers(low, high + 1, shape)
    digits = random_digits(config, rng, (config.weight_depth, config.lanes, config.k_block))
    if extreme:
        digits[::2], digits[1::4] = digit_range(config)[:2]
        acts[::3] = low
    return acts, digits


def _magnitude(shifts) -> int:
    total = 0
    for shift in shifts:
        total = (total << int(shift)) + 1
    return total


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_sim_lmma(name: str, extreme: bool) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng(len(name) + extreme)
    bench = ComputeBench(config, seed=1)
    acts, digits = _random(config, rng, extreme)
    top = (1 << config.scale_bits) - 1
    scales = rng.integers(0, top + 1, (config.scale_depth, config.lanes))
    half = 1 << config.zero_bits >> 1
    zeros = rng.integers(-half, max(half, 1), scales.shape)
    if extreme:
        scales[:], zeros[:] = top, -half

    async def script(ctx) -> None:
        await bench.fill_acts(ctx, acts)
        await bench.fill_weights(ctx, digits)
        await bench.fill_scales(ctx, scales, zeros)
        cases = [
            (1, 0, 1, 1, 1, 0), (2, 1, 2, 3, 2, 0), (1, 1, 8, 2, 1, 1), (8, 1, 1, 2, 3, 1),
            (1, 0, 1, 1, 4, 0), (3, 0, 3, 1, 1, 1),
        ]  # fmt: skip
        for count, halve, n_blocks, rows, k_blocks, group in cases:
            group = group if config.scale_bits else 0
            halve &= config.digit_bits == 1
            shifts = [0] + [1] * (count - 1) if halve else [0, *rng.integers(0, 2, count - 1)]
            while _magnitude(shifts) > config.max_magnitude:
                shifts.pop()
            count = len(shifts)
            negatives = [0] * count if halve else rng.integers(0, 2, count).tolist()
            limit = 1 << config.max_weight_bits
            coefficient = int(rng.integers(-limit, limit + 1)) | 1 if halve else -limit
            coefficient = min(coefficient, limit - 1)
            act_planes = config.act_bits if config.pe == "bitserial" else 1
            planes = {"shifts": [int(s) for s in shifts], "negatives": negatives, "halve": halve,
                      "coefficient": coefficient}  # fmt: skip
            fields = {
                "act_base": int(rng.integers(0, 4)), "act_stride": int(rng.integers(0, 7)),
                "weight_base": int(rng.integers(0, 64)), "scale_base": int(rng.integers(0, 8)),
                "psum_base": 2, "psum_stride": 9, "n_blocks": n_blocks, "rows": rows,
                "k_blocks": k_blocks, "group": group,
            }  # fmt: skip
            await bench.issue(
                ctx, Opcode.PLANES, count=count, halve=halve, coefficient=coefficient,
                act_planes=act_planes,
                planes=[{"shift": int(shifts[i]), "negative": int(negatives[i])} if i < count
                        else {"shift": 0, "negative": 0} for i in range(16)],
            )  # fmt: skip
            await bench.issue(ctx, Opcode.LMMA, clear=1, **fields)
            # A second one on top of the first checks accumulation and the hazard between them.
            await bench.issue(ctx, Opcode.LMMA, clear=0, **fields)
            await bench.drain(ctx)
            assert ctx.get(bench.dut.engine.error.valid) == 0
            expected = lmma_reference(
                acts, digits, fields, planes, config=config, scales=scales, zeros=zeros
            )
            for address, value in expected.items():
                got = await bench.read_psum(ctx, address)
                np.testing.assert_array_equal(got, 2 * value, err_msg=f"{fields} {planes}")

    bench.run(script)


@pytest.mark.parametrize(
    ("opcode", "fields", "code"),
    [
        (Opcode.LMMA, {"k_blocks": 0, "n_blocks": 1, "rows": 1}, ErrorCode.ILLEGAL_FIELD),
        (Opcode.LMMA, {"k_blocks": 1, "n_blocks": 1, "rows": 1, "wait": 2},
         ErrorCode.ILLEGAL_FIELD),
        (Opcode.LMMA, {"k_blocks": 1, "n_blocks": 33, "rows": 1}, ErrorCode.BUFFER_RANGE),
        (Opcode.LMMA, {"k_blocks": 2, "n_blocks": 1, "rows": 2, "act_base": 40, "act_stride": 24},
         ErrorCode.BUFFER_RANGE),
        (Opcode.LMMA, {"k_blocks": 1, "n_blocks": 2, "rows": 1, "group": 1, "scale_base": 31},
         ErrorCode.BUFFER_RANGE),
        (Opcode.PLANES, {"count": 0, "act_planes": 1}, ErrorCode.ILLEGAL_PLANES),
        (Opcode.PLANES, {"count": 9, "act_planes": 1, "shift": 1}, ErrorCode.ILLEGAL_PLANES),
        (Opcode.PLANES, {"count": 2, "act_planes": 1, "shift": 4}, ErrorCode.ILLEGAL_PLANES),
        (Opcode.PLANES, {"count": 1, "act_planes": 2}, ErrorCode.ILLEGAL_PLANES),
        (Opcode.PLANES, {"count": 1, "act_planes": 1, "coefficient": 257},
         ErrorCode.ILLEGAL_PLANES),
    ],
)  # fmt: skip
def test_sim_errors(opcode: Opcode, fields: dict, code: ErrorCode) -> None:
    config = CONFIGS["m1"]
    bench = ComputeBench(config)
    shift = fields.pop("shift", 0)
    if opcode is Opcode.PLANES:
        fields["planes"] = [{"shift": shift, "negative": 0}] * 16

    async def script(ctx) -> None:
        await bench.issue(ctx, Opcode.PLANES, count=1, act_planes=1)
        await bench.issue(ctx, opcode, **fields)
        await bench.drain(ctx)
        for _ in range(20):
            await ctx.tick()
        assert ctx.get(bench.dut.engine.error.valid) == 1
        assert ctx.get(bench.dut.engine.error.code) == code
        assert ctx.get(bench.dut.engine.error.address) == 0x1000

    bench.run(script)


def test_sim_lmma_without_planes_is_refused() -> None:
    bench = ComputeBench(CONFIGS["m1"])

    async def script(ctx) -> None:
        await bench.issue(ctx, Opcode.LMMA, k_blocks=1, n_blocks=1, rows=1)
        for _ in range(20):
            await ctx.tick()
        assert ctx.get(bench.dut.engine.error.code) == ErrorCode.ILLEGAL_PLANES

    bench.run(script)


def test_sim_psum_overflow_is_reported() -> None:
    config = Config(lanes=4, tables=2, scale_bits=8, psum_bits=28, axi_bits=32, **_SMALL)
    bench = ComputeBench(config)

    async def script(ctx) -> None:
        await bench.fill_acts(ctx, np.full((64, config.k_block, 1), -128))
        await bench.fill_weights(ctx, np.full((64, 4, config.k_block), -1))
        await bench.fill_scales(ctx, np.full((4, 4), 255), np.full((4, 4), 127))
        shifts = [{"shift": 1, "negative": 0}] * 16
        await bench.issue(ctx, Opcode.PLANES, count=8, act_planes=1, planes=shifts)
        await bench.issue(ctx, Opcode.LMMA, k_blocks=60, n_blocks=1, rows=1, clear=1, group=1,
                          psum_base=7)  # fmt: skip
        for _ in range(2000):
            await ctx.tick()
        assert ctx.get(bench.dut.engine.error.code) == ErrorCode.PSUM_OVERFLOW
        assert ctx.get(bench.dut.engine.error.address) == 7

    bench.run(script)
