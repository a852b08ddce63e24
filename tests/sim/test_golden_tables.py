import dataclasses

import numpy as np
import pytest

from lutra.host.matrix_layout import MatrixLayout
from lutra.hw.config import Config
from lutra.hw.digits import digit_range
from lutra.hw.table import build_table
from lutra.sim.golden_tables import Trace, golden_tables

from ..products import SHAPES, Product, random_product


def trace_of(product: Product, config: Config) -> Trace | None:
    """The emulation of a product; None where the hardware would need several programs."""
    weights = product.weights
    layout = MatrixLayout.of(weights, config)
    if len(layout.segments) > 1:
        return None
    lowering = layout.lowering
    groups = {}
    if layout.grouped:
        shape = (weights.rows, weights.groups)
        zeros = np.broadcast_to(0 if weights.zero_points is None else weights.zero_points, shape)
        scales = np.ones(shape, int) if weights.group_scales is None else weights.group_scales
        groups = {
            "group_size": weights.group_size,
            "zero_fields": lowering.zero_field(zeros),
            "scales": scales,
        }
    return golden_tables(
        config,
        product.x,
        np.stack([digits[weights.codes] for digits in lowering.digits]),
        shifts=list(lowering.shifts),
        negatives=list(lowering.negatives),
        halve=lowering.halve,
        coefficient=layout.coefficient,
        act_planes=product.act_bits,
        **groups,
    )


@pytest.mark.parametrize("name", SHAPES)
def test_tables_give_the_plain_product(name: str):
    config = SHAPES[name]
    rng = np.random.default_rng(2)
    checked = 0
    while checked < 6:
        product = random_product(rng, config, most=80)
        trace = trace_of(product, config)
        if trace is None:
            continue
        result = trace.result(len(product.x), product.weights.rows)
        np.testing.assert_array_equal(result, product.expected())
        checked += 1


def test_intermediate_values():
    """Shapes and meaning of what the emulation shows on the way."""
    config = Config(rows=2, lanes=4, tables=2, axi_bits=32)
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (3, 20))
    digits = rng.integers(0, 2, (2, 5, 20)) * 2 - 1
    trace = golden_tables(config, x, digits, shifts=[0, 1], halve=True, coefficient=-1)
    assert trace.tables.shape == (2, 3, 2, 2, 8)
    np.testing.assert_array_equal(trace.tables[0, 1, 1, 0], build_table(x[1, 8:12]))
    assert trace.sums.shape == (2, 3, 2, 2, 2, 4)
    assert trace.sums[1, 0, 1, 1, 0, 0] == x[2, :8] @ digits[1, 4, :8]
    assert trace.acc[0, 1, 0, 1, 0, 2] == x[0, 8:16] @ (2 * digits[0, 2] + digits[1, 2])[8:16]
    assert trace.sum_x[0, 2, 1] == x[1, 16:].sum()
    np.testing.assert_array_equal(trace.psum[:, 0], trace.scaled[:, 0])
    np.testing.assert_array_equal(trace.psum[:, 1] - trace.psum[:, 0], trace.scaled[:, 1])


@pytest.mark.parametrize("name", ["default", "group5", "trits", "mac3", "serial"])
def test_worst_case_fits_every_width(name: str):
    """No legal program overflows: extreme activations, digits, zero points and scales."""
    config = SHAPES[name]
    low, high, _ = digit_range(config)
    x = np.full((config.rows, config.k_block), -(1 << config.act_bits - 1))
    planes = config.max_magnitude.bit_length() if config.digit_bits == 1 else -(
        -config.max_weight_bits // config.digit_bits)  # fmt: skip
    step = 1 if config.digit_bits == 1 else config.digit_bits
    for digit, zero in ((low, -1), (high, 0), (low, 0), (high, -1)):
        fields = np.full((config.lanes, 1), (1 << config.zero_bits - 1) - 1 if zero == 0 else
                         -(1 << config.zero_bits - 1))  # fmt: skip
        golden_tables(
            config,
            x,
            np.full((planes, config.lanes, config.k_block), digit),
            shifts=[0] + [step] * (planes - 1),
            halve=config.digit_bits == 1,
            zero_fields=fields,
            scales=np.full((config.lanes, 1), (1 << config.scale_bits) - 1),
        )


def test_a_width_too_small_is_noticed():
    config = Config(weight_bits=1, lanes=4, tables=2, axi_bits=32)
    narrow = dataclasses.replace(config, max_weight_bits=1)
    x = np.full((1, 8), 127)
    digits = np.ones((8, 4, 8), int)
    with pytest.raises(OverflowError, match=r"acc_bits of \d+ does not hold \d+"):
        golden_tables(narrow, x, digits, shifts=[0] + [1] * 7)
    with pytest.raises(ValueError, match="scales must have shape"):
        golden_tables(config, x, digits[:1], shifts=[0], zero_fields=np.zeros((4, 1), int),
                      scales=np.ones((4, 2), int))  # fmt: skip
