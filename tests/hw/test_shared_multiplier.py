from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from lutra.hw.config import Config
from lutra.hw.shared_multiplier import lanes_of_a_multiplier, shared_products

_SHAPE = {
    "lanes": 4,
    "tables": 8,
    "lookup_group": 1,
    "axi_bits": 32,
    "max_shift": 7,
    "psum_bits": 48,
}


@pytest.mark.parametrize(
    ("fields", "lanes"),
    [
        ({"weight_bits": 2}, 1),  # a generic device may have no multiplier
        ({"weight_bits": 2, "device": "ecp5"}, 2),  # 2 + 10 of 18 bits
        ({"weight_bits": 2, "device": "xc7"}, 3),  # 2 + 10 + 10 of 25
        ({"weight_bits": 2, "device": "xc7", "lanes": 2}, 2),
        ({"weight_bits": 4, "device": "ecp5"}, 2),
        ({"weight_bits": 5, "device": "ecp5"}, 2),  # 5 + 13: all 18 bits
        ({"weight_bits": 6, "device": "ecp5"}, 1),
        ({"weight_bits": 2, "act_bits": 16, "device": "ecp5"}, 1),
        ({"weight_bits": 2, "act_bits": 4, "device": "ecp5"}, 3),
        ({"weight_bits": 1, "device": "ecp5"}, 1),  # a sign is no multiplication
        ({"weight_bits": 2, "device": "ecp5", "pe": "shiftadd"}, 1),
    ],
)
def test_lanes(fields: dict, lanes: int):
    config = Config(**{"pe": "mac", **_SHAPE, **fields})
    assert lanes_of_a_multiplier(config) == lanes


def check(act_bits: int, digit_bits: int, cases: list[tuple[int, tuple[int, ...]]]) -> None:
    count = len(cases[0][1])
    x = Signal(signed(act_bits))
    digits = [Signal(digit_bits, name=f"digit{i}") for i in range(count)]
    found = [Signal(signed(act_bits + digit_bits), name=f"found{i}") for i in range(count)]
    m = Module()
    m.d.comb += [f.eq(value) for f, value in zip(found, shared_products(x, digits), strict=True)]

    async def bench(ctx):
        for activation, factors in cases:
            ctx.set(x, activation)
            for digit, factor in zip(digits, factors, strict=True):
                ctx.set(digit, factor & (1 << digit_bits) - 1)
            await ctx.delay(1e-9)
            assert [ctx.get(f) for f in found] == [activation * f for f in factors], activation

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("act_bits", "digit_bits", "count"), [(3, 2, 3), (4, 3, 2), (3, 1, 1)])
def test_every_product(act_bits: int, digit_bits: int, count: int):
    factors = range(-(1 << digit_bits - 1), 1 << digit_bits - 1)
    activations = range(-(1 << act_bits - 1), 1 << act_bits - 1)
    check(
        act_bits, digit_bits, [(x, d) for x in activations for d in product(factors, repeat=count)]
    )


@pytest.mark.parametrize(("act_bits", "digit_bits", "count"), [(8, 2, 2), (8, 5, 2), (4, 2, 3)])
def test_extreme_and_random_products(act_bits: int, digit_bits: int, count: int):
    random = np.random.default_rng(act_bits + count)
    low, high = -(1 << act_bits - 1), (1 << act_bits - 1) - 1
    least, most = -(1 << digit_bits - 1), (1 << digit_bits - 1) - 1
    cases = [(x, d) for x in (low, -1, 0, high)
             for d in product((least, -1, 0, most), repeat=count)]  # fmt: skip
    for _ in range(500):
        digits = random.integers(least, most + 1, count)
        cases.append((int(random.integers(low, high + 1)), tuple(map(int, digits))))
    check(act_bits, digit_bits, cases)
