"""The shipped model on the generated hardware: every integer and every token."""

from __future__ import annotations

import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.errors import UnsupportedFormatError
from lutra.host.llm.backend import BackendMismatchError
from lutra.host.llm.checkpoint import load_checkpoint
from lutra.host.llm.decoder import Decoder
from lutra.host.llm.sampling import generate
from lutra.host.llm.session import Session


def test_text_and_integers_are_those_of_the_reference() -> None:
    checkpoint = load_checkpoint()
    tokenizer = checkpoint.tokenizer
    prompt = "class Parser:\n    def __init__(self"
    with Accelerator.open("sim", config="w2a8") as device:
        session = Session(checkpoint, device)
        tokens = list(session.write(prompt, count=12))
        start = [tokenizer.bos, *tokenizer.encode(prompt)]
        assert tokens == list(generate(Decoder(checkpoint), start, count=12))
        # One product of all rows for each of the 17 matrices, then one per matrix and token.
        assert session.products == 17 * 12
        assert session.prompt.tokens == len(start)
        rows = len(start) + 11
        outputs = sum(n for n, _ in checkpoint.config.ternary_shapes().values())
        assert session.values_compared == rows * outputs + 12 * checkpoint.config.vocabulary
        assert session.text.utilisation > 0.7


def test_a_wrong_integer_stops_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with Accelerator.open("golden", config="w2a8") as device:
        session = Session(load_checkpoint(), device)
        multiply = device.matmul

        def spoiled(x, weights):
            y = multiply(x, weights)
            y[-1, 7] += 1
            return y

        monkeypatch.setattr(device, "matmul", spoiled)
        with pytest.raises(BackendMismatchError, match="output 7 is"):
            list(session.write("def ", count=2))


def test_a_device_with_narrow_activations_is_refused() -> None:
    with (
        Accelerator.open("golden", config="w2a4") as device,
        pytest.raises(UnsupportedFormatError, match=r"take 8 bits.*'w2a4' has act_bits = 4"),
    ):
        Session(load_checkpoint(), device)
