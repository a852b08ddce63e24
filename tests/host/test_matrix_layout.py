import numpy as np
import pytest

from lutra.host.errors import UnsupportedFormatError
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import Plane, QuantizedMatrix
from lutra.hw.config import Config

RNG = np.random.default_rng(0)


def matrix(n: int, k: int, bits: int = 2, **options) -> QuantizedMatrix:
    codes = RNG.integers(0, 1 << bits, (n, k), dtype=np.uint8)
    return QuantizedMatrix.from_codes(codes, bits, **options)


def test_equal_zero_points_and_unit_scales_need_no_groups():
    config = Config()
    zeros = np.full((40, 4), 3)
    layout = MatrixLayout.of(
        matrix(40, 100, group_size=25, zero_points=zeros, group_scales=np.ones((40, 4), int)),
        config,
    )
    assert not layout.grouped
    assert (layout.n_blocks, layout.k_blocks, layout.groups) == (3, 4, 1)
    assert layout.coefficient == 2**2 - 1 - 2 * 3
    assert layout.group_bytes == 0


def test_groups_are_padded_to_k_blocks():
    zeros = np.arange(120).reshape(40, 3) % 4
    layout = MatrixLayout.of(matrix(40, 100, group_size=40, zero_points=zeros), Config())
    assert layout.grouped
    assert (layout.group_blocks, layout.k_blocks, layout.groups) == (2, 5, 3)
    assert layout.group_bytes == 3 * layout.group_pitch * 16 * 16 // 8


def test_segments_keep_partial_sums_in_range():
    """Segments are as long as the weights allow, and no longer."""
    config = Config(psum_bits=30)
    scales = np.full((16, 16), 255)
    weights = matrix(16, 512, bits=8, group_size=32, zero_points=0, group_scales=scales)
    layout = MatrixLayout.of(weights, config)
    magnitude = np.abs(weights.integers()).reshape(16, 16, 32).sum(2) * 128
    ends = [*layout.segments[1:], 16]
    for begin, end in zip(layout.segments, ends, strict=True):
        assert magnitude[:, begin:end].sum(1).max() < 1 << 29
        if end < 16:
            assert magnitude[:, begin : end + 1].sum(1).max() >= 1 << 29
    assert layout.result_dtype is np.int64


def test_result_type_is_decided_from_the_weights():
    config = Config(act_bits=16, psum_bits=64)
    assert MatrixLayout.of(matrix(4, 64, bits=8), config).result_dtype is np.int32
    assert MatrixLayout.of(matrix(4, 4096, bits=8), config).result_dtype is np.int64
    small = QuantizedMatrix.from_codes(np.full((4, 4096), 129, np.uint8), 8)  # ones
    assert MatrixLayout.of(small, config).result_dtype is np.int32


@pytest.mark.parametrize(
    ("weights", "config", "text"),
    [
        (matrix(4, 8, bits=5), Config(max_weight_bits=4), "built for 15"),
        (
            QuantizedMatrix(
                codes=np.zeros((1, 1), np.uint8), bits=2, planes=(Plane(1, 4), Plane(0, 0))
            ),
            Config(),
            "4 bits apart, but configuration 'custom' shifts by at most 3",
        ),
        (
            matrix(4, 64, group_size=32, group_scales=np.full((4, 2), 256)),
            Config(),
            "group_scales must be below 256",
        ),
        (
            matrix(4, 64, group_size=32, group_scales=np.full((4, 2), 2)),
            Config(scale_bits=0),
            "group_scales must be below 1 ",
        ),
    ],
)
def test_unsupported_formats_are_named(weights: QuantizedMatrix, config: Config, text: str):
    with pytest.raises(UnsupportedFormatError, match=text):
        MatrixLayout.of(weights, config)
