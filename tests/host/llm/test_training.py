"""The training model and the inference model are the same function; needs torch to say so."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.host.llm import ByteTokenizer, Checkpoint, Decoder
from lutra.host.llm.architecture import DecoderConfig
from lutra.host.llm.ternary import ternarise

torch = pytest.importorskip("torch")


def test_training_and_inference_agree(tokenizer: ByteTokenizer) -> None:
    from lutra.host.llm.model_torch import TernaryDecoder

    torch.manual_seed(3)
    config = DecoderConfig(layers=2, vocabulary=512, context=64)
    model = TernaryDecoder(config)
    tensors = {name: tensor.numpy() for name, tensor in model.named_tensors().items()}
    decoder = Decoder(
        Checkpoint(
            config=config,
            tokenizer=tokenizer,
            matrices={name: ternarise(tensors[name]) for name in config.ternary_shapes()},
            gains={name: tensors[name] for name in config.norm_shapes()},
            embedding=tensors["token_embd.weight"].astype(np.float16),
        )
    )
    # real text repeats its tokens, so that an untrained model's losses differ from token to token
    tokens = np.array(tokenizer.encode("for line in lines:\n    print(line)\n" * 9))[:65]
    logits = decoder.logits(decoder.hidden(tokens[None, :-1])[0]).astype(np.float64)
    nats = np.logaddexp.reduce(logits, -1) - logits[np.arange(64), tokens[1:]]
    with torch.no_grad():
        loss = model(torch.from_numpy(tokens[None, :-1]), torch.from_numpy(tokens[None, 1:]))
    assert float(loss) == pytest.approx(nats.mean(), rel=0.01)


def test_one_update_lowers_the_loss() -> None:
    from lutra.host.llm.model_torch import TernaryDecoder
    from lutra.host.llm.muon import Muon

    torch.manual_seed(3)
    model = TernaryDecoder(DecoderConfig(layers=1, vocabulary=256, context=32))
    tokens = torch.arange(33).remainder(5)[None]
    optimiser = Muon(model.matrices.parameters())
    losses = []
    for _ in range(8):
        loss = model(tokens[:, :-1], tokens[:, 1:])
        losses.append(loss.item())
        loss.backward()
        optimiser.step(0.05)
        model.zero_grad()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("shape", [(32, 32), (64, 32), (32, 96)])
def test_orthogonal_updates(shape: tuple[int, int]) -> None:
    from lutra.host.llm.muon import orthogonalise

    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.4
