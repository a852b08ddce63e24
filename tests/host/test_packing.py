import time
import tracemalloc

import numpy as np
import pytest

from lutra.host.matrix_layout import MatrixLayout
from lutra.host.packing import pack_activations, pack_groups, pack_weights, unpack_outputs
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config
from lutra.hw.digits import decode_digits

from ..products import SHAPES, random_product


@pytest.mark.parametrize("name", SHAPES)
def test_images_hold_the_matrices(name: str):
    """Every word, taken apart bit by bit, is what docs/architecture.md says."""
    config = SHAPES[name]
    rng = np.random.default_rng(5)
    for _ in range(6):
        product = random_product(rng, config, most=90)
        weights, x = product.weights, product.x
        layout = MatrixLayout.of(weights, config)
        _check_weights(weights, layout)
        if layout.grouped:
            _check_groups(weights, layout)
        _check_activations(x, layout)


def _column(layout: MatrixLayout, k: int) -> tuple[int, int]:
    """K block and place of input `k`."""
    group, inside = divmod(k, layout.group_width)
    block, place = divmod(inside, layout.config.k_block)
    return group * layout.group_blocks + block, place


def _words(image: np.ndarray, word_bits: int, config: Config) -> np.ndarray:
    bits = np.unpackbits(image, bitorder="little")
    return bits.reshape(-1, config.memory_word_bits(word_bits))[:, :word_bits]


def _check_weights(weights: QuantizedMatrix, layout: MatrixLayout) -> None:
    c, (n, k) = layout.config, weights.shape
    image = pack_weights(weights, layout)
    assert image.nbytes == layout.weight_bytes
    digits = decode_digits(_words(image, c.weight_word_bits, c), c)
    digits = digits.reshape(layout.k_blocks, layout.n_blocks, layout.planes, c.lanes, c.k_block)
    for i in (0, n // 2, n - 1):
        for j in (0, k // 3, k - 1):
            block, place = _column(layout, j)
            found = digits[block, i // c.lanes, :, i % c.lanes, place]
            expected = layout.lowering.digits[:, weights.codes[i, j]]
            np.testing.assert_array_equal(found, expected)


def _check_groups(weights: QuantizedMatrix, layout: MatrixLayout) -> None:
    c = layout.config
    image = pack_groups(weights, layout)
    assert image.nbytes == layout.group_bytes
    words = _words(image, c.scale_word_bits, c)
    width = c.scale_bits + c.zero_bits
    fields = words.reshape(layout.groups, layout.group_pitch, c.lanes, width).astype(np.int64)
    values = (fields << np.arange(width)).sum(-1)
    zeros = weights.zero_points
    for i in (0, weights.rows - 1):
        for g in (0, layout.groups - 1):
            value = int(values[g, i // c.lanes, i % c.lanes])
            zero = int(zeros[i, g]) if isinstance(zeros, np.ndarray) else zeros or 0
            scale = 1 if weights.group_scales is None else int(weights.group_scales[i, g])
            expected = layout.lowering.zero_field(np.array(zero)) & (1 << c.zero_bits) - 1
            assert value >> c.scale_bits == expected
            if c.scale_bits:
                assert value & (1 << c.scale_bits) - 1 == scale


def _check_activations(x: np.ndarray, layout: MatrixLayout) -> None:
    c, (m, k) = layout.config, x.shape
    row_blocks = -(-m // c.rows)
    image = pack_activations(x, layout)
    assert image.nbytes == layout.act_bytes(row_blocks)
    words = image.reshape(row_blocks, layout.act_pitch, -1)
    elements = words[..., : c.act_word_bits // 8].copy().view(f"<i{c.act_elem_bits // 8}")
    elements = elements.reshape(row_blocks, layout.act_pitch, c.k_block, c.rows)
    for i in (0, m - 1):
        for j in (0, k // 2, k - 1):
            block, place = _column(layout, j)
            assert elements[i // c.rows, block, place, i % c.rows] == x[i, j]
    assert np.count_nonzero(elements) == np.count_nonzero(x)


def test_activation_words_end_with_exponents():
    config = Config(rows=2, act_exponent_bits=3, psum_bits=48, axi_bits=64)
    weights = QuantizedMatrix.from_codes(np.zeros((4, 70), np.uint8), 2)
    layout = MatrixLayout.of(weights, config)
    x = np.ones((3, 70), np.int8)
    exponents = np.arange(9).reshape(3, 3) % 8
    image = pack_activations(x, layout, exponents=exponents).reshape(2, 3, -1)
    np.testing.assert_array_equal(image[0, :, 64:66], exponents[:2].T)
    np.testing.assert_array_equal(image[1, :, 64:66], np.stack([exponents[2], [0, 0, 0]], 1))


def test_segments_are_added_in_64_bits():
    config = Config(psum_bits=30, lanes=16)
    scales = np.full((16, 16), 255)
    weights = QuantizedMatrix.from_codes(
        np.full((16, 512), 255, np.uint8), 8, group_size=32, zero_points=0, group_scales=scales
    )
    layout = MatrixLayout.of(weights, config)
    pieces = len(layout.segments)
    assert pieces > 2
    image = np.full((pieces, 1, 1, 16), 2**29 - 1, "<i4").view(np.uint8).reshape(-1)
    y = unpack_outputs(image, layout, 1)
    assert y.dtype == np.int64
    assert (y == pieces * (2**29 - 1)).all()


def test_a_large_matrix_packs_quickly_in_little_memory():
    codes = np.random.default_rng(0).integers(0, 4, (4096, 4096), dtype=np.uint8)
    weights = QuantizedMatrix.from_codes(codes, 2)
    layout = MatrixLayout.of(weights, Config())
    tracemalloc.start()
    begin = time.perf_counter()
    image = pack_weights(weights, layout)
    seconds = time.perf_counter() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert image.nbytes == codes.size // 4
    assert seconds < 3  # 0.1 s on an idle core
    assert peak < image.nbytes + codes.nbytes // 2
