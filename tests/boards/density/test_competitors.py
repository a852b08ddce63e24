from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lutra.boards.density.competitors import create_element, variants_of
from lutra.boards.density.points import array_config
from lutra.hw.config import Config
from lutra.hw.digits import digit_range, encode_digits
from lutra.hw.element_latency import element_latency


def check_plane_sums(config: Config, variant: str = "") -> None:
    """Plane sums of extreme and random digits and activations, two K blocks."""
    element = create_element(config, variant)
    assert element.latency == element_latency(config) - (variant != "")
    random = np.random.default_rng(config.k_block)
    low, high, step = digit_range(config)
    limit = 1 << config.act_bits - 1
    x = random.integers(-limit, limit, (2, config.rows, config.k_block))
    x[0] = -limit
    digits = random.integers(0, (high - low) // step + 1, (5, config.lanes, config.k_block))
    digits = digits * step + low
    digits[0], digits[1] = low, high
    words = [encode_digits(d.astype(np.int8), config) for d in digits]
    found, wanted = [], []

    async def bench(ctx):
        for block in x:
            elements = block.T.reshape(-1) & (1 << config.act_elem_bits) - 1
            payload = sum(int(e) << config.act_elem_bits * i for i, e in enumerate(elements))
            ctx.set(element.x.payload, payload)
            ctx.set(element.x.valid, 1)
            while not ctx.get(element.x.ready):
                await ctx.tick()
            await ctx.tick()
            ctx.set(element.x.valid, 0)
            while not ctx.get(element.loaded):
                await ctx.tick()
            await ctx.tick()
            for number, (word, digit) in enumerate(zip(words, digits, strict=True)):
                ctx.set(element.weights, int("".join(map(str, word[::-1])), 2))
                ctx.set(element.control.valid, 1)
                ctx.set(element.control.release, number == len(words) - 1)
                await ctx.tick()
                ctx.set(element.control.valid, 0)
                ctx.set(element.control.release, 0)
                for _ in range(element.latency - 1):
                    await ctx.tick()
                signs = ctx.get(element.signs)
                sums = [ctx.get(element.sums[i]) for i in range(config.rows * config.lanes)]
                found.append([-s if signs >> i % config.lanes & 1 else s
                              for i, s in enumerate(sums)])  # fmt: skip
                wanted.append((block @ digit.T).reshape(-1).tolist())

    simulator = Simulator(element)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == wanted


@pytest.mark.parametrize("weight", ["2", "3", "4", "8"])
def test_booth(weight: str):
    check_plane_sums(array_config("mac", weight, 8, lanes=2, tables=7 if weight == "8" else 9,
                                  rows=2), "booth")  # fmt: skip


@pytest.mark.parametrize(("pe", "weight"), [("mac", "1"), ("mac", "4"), ("shiftadd", "3")])
def test_lean(pe: str, weight: str):
    config = array_config(pe, weight, 8, lanes=4, tables=9)
    check_plane_sums(config, "lean")


def test_variants():
    assert variants_of(array_config("mac", "2", 8)) == ("", "lean", "booth")
    assert variants_of(array_config("mac", "1", 8)) == ("", "lean")
    assert variants_of(array_config("lut", "2", 8, lookup_group=4)) == ("",)
    with pytest.raises(ValueError, match="variant must be one of"):
        create_element(array_config("add", "2", 8), "booth")
