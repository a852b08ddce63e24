from __future__ import annotations

import subprocess
import sys

import pytest

from lutra.host.llm import (
    SHIPPED,
    Checkpoint,
    ComparingBackend,
    Decoder,
    NumpyBackend,
    generate_text,
    load_checkpoint,
)
from lutra.host.llm.corpus import held_out_files
from lutra.host.llm.evaluate import model_bits, xz_bits


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load_checkpoint()


def test_size(shipped: Checkpoint) -> None:
    assert SHIPPED.stat().st_size <= 2_000_000
    assert 1_000_000 <= shipped.config.ternary_weights <= 3_000_000


def test_same_text_twice_on_any_exact_backend(shipped: Checkpoint) -> None:
    comparing = ComparingBackend(NumpyBackend())
    texts = [
        generate_text(
            Decoder(shipped, backend=backend), shipped.tokenizer, "import os\n\ndef ", count=24
        )
        for backend in (None, None, comparing)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) > len("import os\n\ndef ")
    assert comparing.values > 0


def test_beats_xz_on_a_held_out_module(shipped: Checkpoint) -> None:
    text = next(file.text for file in held_out_files() if file.path == "sched.py")
    bits = model_bits(Decoder(shipped), shipped.tokenizer, text)
    assert bits < 0.85 * xz_bits(text)


def test_inference_does_without_torch() -> None:
    code = "import sys, lutra.host.llm.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
