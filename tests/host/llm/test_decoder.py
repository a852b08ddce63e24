from __future__ import annotations

import numpy as np
import pytest

from lutra.host.llm import (
    ByteTokenizer,
    Checkpoint,
    Decoder,
    Sampler,
    SamplingError,
    TokenError,
    generate,
    generate_text,
)

PROMPT = [0, 5, 300, 41, 41, 7, 511, 12, 99]


def test_reading_at_once_equals_token_by_token(tiny: Checkpoint) -> None:
    whole, single = Decoder(tiny), Decoder(tiny)
    wanted = whole.prefill(PROMPT)
    for token in PROMPT:
        got = single.step(token)
    assert np.array_equal(wanted, got)
    assert whole.tokens == single.tokens == tuple(PROMPT)


def test_reading_in_pieces_equals_reading_at_once(tiny: Checkpoint) -> None:
    decoder = Decoder(tiny)
    decoder.prefill(PROMPT[:4])
    assert np.array_equal(decoder.prefill(PROMPT[4:]), Decoder(tiny).prefill(PROMPT))


def test_hidden_rows_equal_the_cached_ones(tiny: Checkpoint) -> None:
    decoder = Decoder(tiny)
    hidden = decoder.hidden(np.array([PROMPT, PROMPT[::-1]]))
    assert decoder.tokens == ()
    for row, tokens in zip(hidden, (PROMPT, PROMPT[::-1]), strict=True):
        decoder.reset()
        assert np.array_equal(decoder.logits(row[-1:])[0], decoder.prefill(tokens))


def test_the_past_is_seen_and_the_future_is_not(tiny: Checkpoint) -> None:
    decoder = Decoder(tiny)
    changed = [1, *PROMPT[1:-1], 2]
    first, second = decoder.hidden(np.array([PROMPT, changed]))
    assert not np.array_equal(first[-2], second[-2])
    third = decoder.hidden(np.array([[*PROMPT[:-1], 2]]))[0]
    assert np.array_equal(first[:-1], third[:-1])


def test_long_text_slides(tiny: Checkpoint) -> None:
    context = tiny.config.context
    text = [token % 512 for token in range(3 * context)]
    decoder, fresh = Decoder(tiny), Decoder(tiny)
    for token in text[:context]:
        decoder.step(token)
    assert len(decoder.tokens) == context
    got = decoder.step(text[context])
    assert decoder.tokens == tuple(text[context // 2 + 1 : context + 1])
    assert np.array_equal(got, fresh.prefill(text[context // 2 + 1 : context + 1]))
    assert np.isfinite(decoder.prefill(text)).all()
    assert decoder.tokens == tuple(text[-context // 2 :])


@pytest.mark.parametrize("tokens", [[], [512], [-1], [0.5], [[1, 2]]])
def test_tokens_that_cannot_be_read(tiny: Checkpoint, tokens: list[int]) -> None:
    with pytest.raises(TokenError):
        Decoder(tiny).prefill(tokens)


@pytest.mark.parametrize("shape", [(4,), (1, 0), (1, 33)])
def test_windows_that_cannot_be_read(tiny: Checkpoint, shape: tuple[int, ...]) -> None:
    with pytest.raises(TokenError, match=r"\(rows, 1 \.\.\. 32\) expected"):
        Decoder(tiny).hidden(np.zeros(shape, np.int64))


@pytest.mark.parametrize("options", [{}, {"temperature": 1.3, "top_k": 20, "seed": 3}])
def test_generation_is_repeatable(tiny: Checkpoint, options: dict[str, float]) -> None:
    decoder = Decoder(tiny)
    texts = [
        list(generate(decoder, PROMPT, count=40, sampler=Sampler(**options)))  # type: ignore[arg-type]
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 40


def test_generation_stops(tiny: Checkpoint, tokenizer: ByteTokenizer) -> None:
    decoder = Decoder(tiny)
    made = list(generate(decoder, PROMPT, count=5))
    assert list(generate(decoder, PROMPT, count=5, stop=made[0])) == []
    assert list(generate(decoder, PROMPT, count=0)) == []
    with pytest.raises(SamplingError, match="count is -1"):
        list(generate(decoder, PROMPT, count=-1))
    assert generate_text(decoder, tokenizer, "def f", count=3).startswith("def f")


def test_greedy_takes_the_first_largest() -> None:
    assert Sampler()(np.array([1.0, 3.0, 3.0])) == 1
    assert Sampler(temperature=5.0, top_k=1)(np.array([1.0, 3.0, 3.0])) == 1


def test_sampling_follows_the_probabilities() -> None:
    sampler = Sampler(temperature=2.0, top_k=2, seed=1)
    logits = np.array([0.0, 2.0 * np.log(3.0), -1.0])
    drawn = [sampler(logits) for _ in range(4000)]
    assert set(drawn) == {0, 1}
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.03)


def test_low_temperature_is_greedy() -> None:
    sampler = Sampler(temperature=1e-6, seed=2)
    assert {sampler(np.array([0.0, 1.0, 0.5])) for _ in range(50)} == {1}


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1.0}, {"temperature": np.inf}, {"temperature": np.nan}, {"top_k": 0}],
)
def test_sampler_refuses(options: dict[str, float]) -> None:
    with pytest.raises(SamplingError):
        Sampler(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("logits", [np.zeros((2, 2)), np.zeros(0), np.array([0.0, np.nan])])
def test_sampler_refuses_logits(logits: np.ndarray) -> None:
    with pytest.raises(SamplingError):
        Sampler()(logits)
