"""The decoder with keys and values in few bits: exact on the device, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.llm.backend import BackendMismatchError
from lutra.host.llm.cache_backend import ComparingCache, NumpyCache
from lutra.host.llm.checkpoint import SHIPPED, load_checkpoint
from lutra.host.llm.decoder import Decoder
from lutra.host.llm.evaluate import model_bits
from lutra.host.llm.session import Session

TEXT = "def mean(values):\n    total = sum(values)\n    return total / len(values)\n"


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(SHIPPED)


@pytest.mark.parametrize("bits", [2, 4])
def test_text_on_the_hardware(checkpoint, bits: int):
    """`Session` compares every integer and the text with NumPy's."""
    with Accelerator.open("sim", config="w2a8") as device:
        session = Session(checkpoint, device, cache_bits=bits)
        plain = Session(checkpoint, device)
        assert len(list(session.write("def f(x):", count=6))) == 6
        assert len(list(plain.write("def f(x):", count=6))) == 6
        assert session.values_compared > plain.values_compared
        assert session.products > plain.products


def test_eight_bits_change_little_and_two_much(checkpoint):
    bits = {
        width: model_bits(Decoder(checkpoint, cache_bits=width), checkpoint.tokenizer, TEXT)
        for width in (None, 8, 4, 2)
    }
    assert bits[8] == pytest.approx(bits[None], rel=0.005)
    assert bits[4] == pytest.approx(bits[None], rel=0.05)
    assert bits[2] > bits[4]


def test_steps_and_prefill_agree(checkpoint):
    tokens = checkpoint.tokenizer.encode(TEXT)[:12]
    whole = Decoder(checkpoint, cache_bits=4).prefill(tokens)
    steps = Decoder(checkpoint, cache_bits=4)
    for token in tokens:
        logits = steps.step(token)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-4)


def test_memory_is_given_back_when_the_text_slides(checkpoint):
    with Accelerator.open("golden", config="w2a8") as device:
        from lutra.host.attention import DeviceProducts

        decoder = Decoder(checkpoint, cache_bits=4, cache=DeviceProducts(device))
        decoder.prefill([1, 2, 3])
        decoder.reset()
        before = device.memory.available
        for _ in range(3):
            decoder.prefill([1, 2, 3])
            decoder.reset()
        assert device.memory.available == before


def test_a_wrong_integer_is_named():
    class Wrong(NumpyCache):
        def matmul(self, x: np.ndarray, matrix, /) -> np.ndarray:
            return super().matmul(x, matrix) + 1

    cache = ComparingCache(Wrong())
    matrix = cache.grow(4, bits=4, axis="outputs")
    matrix.append(np.full((3, 4), 9, np.uint8))
    with pytest.raises(BackendMismatchError, match=r"row 0, output 0 is 5; 4 expected \(3 of 3"):
        cache.matmul(np.ones((1, 4), np.int8), matrix)
    matrix.free()
