"""Block-scaled integers against their definition, in rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lutra.host.block_scaling import block_of_inputs, block_scaled
from lutra.host.errors import RangeError
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config

SMALL = {"act_depth": 16, "weight_depth": 16, "scale_depth": 16, "psum_depth": 16}


def layout_of(k: int, *, exponent_bits: int = 2, group_size: int | None = None) -> MatrixLayout:
    config = Config(
        lanes=8, tables=1, lookup_group=4, act_exponent_bits=exponent_bits, psum_bits=64,
        axi_bits=32, **SMALL,
    )  # fmt: skip
    codes = np.ones((8, k), np.uint8)
    scales = None if group_size is None else np.ones((8, -(-k // group_size)), int) + 1
    weights = QuantizedMatrix.from_codes(codes, 1, group_size=group_size, group_scales=scales)
    return MatrixLayout.of(weights, config)


def fits(values: list[Fraction], exponent: int, bits: int) -> bool:
    top = 1 << bits - 1
    return all(-top <= round(v / Fraction(2) ** exponent) <= top - 1 for v in values)


@given(
    values=hnp.arrays(
        np.float64, (2, 11), elements=st.floats(-(2.0**70), 2.0**70, width=32) | st.just(0.0)
    ),
    bits=st.integers(2, 8),
    exponent_bits=st.integers(1, 4),
    group_size=st.sampled_from([None, 4, 5]),
)
def test_mantissas_and_exponents_are_those_of_the_definition(
    values, bits, exponent_bits, group_size
):
    layout = layout_of(11, exponent_bits=exponent_bits, group_size=group_size)
    coded = block_scaled(values, layout, mantissa_bits=bits)
    blocks, most = block_of_inputs(layout), layout.config.max_exponent
    for m, row in enumerate(values):
        groups = [[Fraction(v) for v in row[blocks == b]] for b in range(layout.k_blocks)]
        least = {}
        for b, group in enumerate(groups):
            if any(group):
                exponent = 200
                while fits(group, exponent - 1, bits):
                    exponent -= 1
                least[b] = exponent
        reference = max(min(least.values()), max(least.values()) - most) if least else 0
        assert coded.references[m] == reference
        for b, group in enumerate(groups):
            exponent = max(least.get(b, reference), reference)
            assert coded.exponents[m, b] == exponent - reference
            unit = Fraction(2) ** exponent
            found = coded.mantissas[m, blocks == b]
            assert found.tolist() == [round(v / unit) for v in group]
            wrong = max(abs(v - int(f) * unit) for v, f in zip(group, found, strict=True))
            assert wrong <= unit / 2
            if b in least and exponent == least[b]:
                assert wrong <= max(map(abs, group)) / (2 ** (bits - 1) - Fraction(1, 2))
    assert np.array_equal(
        coded.values(layout), coded.mantissas * np.ldexp(1.0, (coded.exponents
        + coded.references[:, None])[:, blocks])
    )  # fmt: skip


def test_blocks_of_a_row_that_are_far_apart():
    layout = layout_of(8, exponent_bits=2)
    values = np.array([[127.0, 0, 0, 0, 2**-10, 8, 0, 0]]) * 16
    coded = block_scaled(values, layout, mantissa_bits=8)
    # The second block's own unit is 1, the first one's 16: more than 2**3 apart.
    assert coded.references.tolist() == [1]
    assert coded.exponents.tolist() == [[3, 0]]
    assert coded.mantissas.tolist() == [[127, 0, 0, 0, 0, 64, 0, 0]]


def test_groups_begin_new_blocks():
    blocks = block_of_inputs(layout_of(11, group_size=5))
    assert blocks.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 4]


@pytest.mark.parametrize("bits", [1, 9])
def test_mantissas_are_what_the_device_has(bits):
    with pytest.raises(RangeError, match=f"mantissa_bits must be from 2 to 8, not {bits}"):
        block_scaled(np.ones((1, 4)), layout_of(4), mantissa_bits=bits)
