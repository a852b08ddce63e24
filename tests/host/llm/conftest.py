"""A tiny decoder with random weights: every rule of the real one, in milliseconds."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.host.llm import ByteTokenizer, Checkpoint
from lutra.host.llm.architecture import DecoderConfig
from lutra.host.llm.corpus import held_out_files
from lutra.host.llm.ternary import ternarise
from lutra.host.llm.tokenizer import learn_merges


@pytest.fixture(scope="session")
def tokenizer() -> ByteTokenizer:
    texts = [file.text for file in held_out_files()[:4]]
    return ByteTokenizer(*learn_merges(texts, vocabulary=512))


@pytest.fixture(scope="session")
def tiny(tokenizer: ByteTokenizer) -> Checkpoint:
    config = DecoderConfig(width=256, hidden=512, layers=2, heads=4, vocabulary=512, context=32)
    random = np.random.default_rng(7)
    return Checkpoint(
        config=config,
        tokenizer=tokenizer,
        matrices={
            name: ternarise(random.normal(size=shape).astype(np.float32) * 0.1)
            for name, shape in config.ternary_shapes().items()
        },
        gains={
            name: random.uniform(0.5, 1.5, shape).astype(np.float32)
            for name, shape in config.norm_shapes().items()
        },
        embedding=random.normal(size=(512, 256)).astype(np.float16),
    )
