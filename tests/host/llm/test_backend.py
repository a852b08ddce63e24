from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lutra.host.llm import (
    BackendInputError,
    BackendMismatchError,
    ComparingBackend,
    Decoder,
    NumpyBackend,
)
from lutra.host.llm.checkpoint import Checkpoint

LAYERS = [(2, 1), (8, 128), (1, 0), (4, 15), (8, 0)]


class Faulty(NumpyBackend):
    """Adds one to a single value of the product number ``at``."""

    def __init__(self, at: int) -> None:
        self.left = at

    def matmul(self, x: NDArray[np.int8], handle: object) -> NDArray[np.integer]:
        product = super().matmul(x, handle)
        if self.left == 0:
            product[-1, 3] += 1
        self.left -= 1
        return product


def exact(x: NDArray[np.int8], codes: NDArray[np.uint8], zero_point: int) -> NDArray[np.int64]:
    return x.astype(np.int64) @ (codes.astype(np.int64) - zero_point).T


@given(
    layer=st.sampled_from(LAYERS),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 300), st.integers(1, 5)),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_are_exact(layer: tuple[int, int], sizes: tuple[int, int, int], seed: int) -> None:
    (bits, zero_point), (rows, depth, outputs) = layer, sizes
    random = np.random.default_rng(seed)
    x = random.integers(-128, 128, (rows, depth)).astype(np.int8)
    codes = random.integers(0, 1 << bits, (outputs, depth)).astype(np.uint8)
    backend = NumpyBackend()
    product = backend.matmul(x, backend.load("w", codes, bits=bits, zero_point=zero_point))
    assert np.issubdtype(product.dtype, np.integer)
    assert np.array_equal(product, exact(x, codes, zero_point))


@pytest.mark.parametrize(("bits", "zero_point"), LAYERS)
@pytest.mark.parametrize("depth", [256, 1024, 4096])
def test_extremes_are_exact(bits: int, zero_point: int, depth: int) -> None:
    backend = NumpyBackend()
    x = np.array([[-128], [127], [0]], np.int8).repeat(depth, axis=1)
    x[2, ::2], x[2, 1::2] = -128, 127
    codes = np.array([[0], [(1 << bits) - 1], [zero_point]], np.uint8).repeat(depth, axis=1)
    product = backend.matmul(x, backend.load("w", codes, bits=bits, zero_point=zero_point))
    assert np.array_equal(product, exact(x, codes, zero_point))


@pytest.mark.parametrize(
    ("codes", "bits", "zero_point"),
    [
        (np.zeros(4, np.uint8), 2, 1),
        (np.zeros((2, 4), np.int8), 2, 1),
        (np.full((2, 4), 4, np.uint8), 2, 1),
        (np.zeros((2, 4), np.uint8), 2, 4),
        (np.zeros((2, 4), np.uint8), 9, 0),
        (np.zeros((2, 4), np.uint8), 0, 0),
    ],
)
def test_load_refuses(codes: NDArray[np.uint8], bits: int, zero_point: int) -> None:
    with pytest.raises(BackendInputError, match=r"^w: "):
        NumpyBackend().load("w", codes, bits=bits, zero_point=zero_point)


@pytest.mark.parametrize(
    "x", [np.zeros((1, 4), np.int16), np.zeros((1, 5), np.int8), np.zeros(4, np.int8)]
)
def test_matmul_refuses(x: NDArray[np.int8]) -> None:
    backend = NumpyBackend()
    handle = backend.load("w", np.zeros((2, 4), np.uint8), bits=2, zero_point=1)
    with pytest.raises(BackendInputError, match=r"\(M, 4\) expected"):
        backend.matmul(x, handle)


@pytest.mark.parametrize("backend", [NumpyBackend(), ComparingBackend(NumpyBackend())])
def test_foreign_handle(backend: NumpyBackend | ComparingBackend) -> None:
    with pytest.raises(BackendInputError, match="handle is str"):
        backend.matmul(np.zeros((1, 4), np.int8), "w")


def test_comparing_counts_every_integer(tiny: Checkpoint) -> None:
    comparing = ComparingBackend(NumpyBackend())
    logits = Decoder(tiny, backend=comparing).prefill([1, 2, 3])
    assert np.array_equal(logits, Decoder(tiny).prefill([1, 2, 3]))
    assert comparing.products == 4 * 2 + 1
    assert comparing.values == 3 * 2 * (768 + 256 + 1024 + 256) + 512


@pytest.mark.parametrize(
    ("at", "layer"), [(0, "blk.0.attn_qkv"), (6, "blk.1.ffn_up"), (8, "output")]
)
def test_comparing_catches_one_wrong_integer(tiny: Checkpoint, at: int, layer: str) -> None:
    decoder = Decoder(tiny, backend=ComparingBackend(Faulty(at)))
    with pytest.raises(BackendMismatchError, match=rf"^{layer}\.weight: row \d+, output 3 is"):
        decoder.prefill([1, 2, 3])


def test_comparing_catches_a_wrong_shape(tiny: Checkpoint) -> None:
    class Short(NumpyBackend):
        def matmul(self, x: NDArray[np.int8], handle: object) -> NDArray[np.integer]:
            return super().matmul(x, handle)[:, 1:]

    with pytest.raises(BackendMismatchError, match=r"integers \(1, 768\) expected"):
        Decoder(tiny, backend=ComparingBackend(Short())).step(1)
