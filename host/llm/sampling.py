"""Choose the next token, and write text by choosing one after another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import LutraError
from .decoder import Decoder
from .tokenizer import ByteTokenizer

__all__ = ["Sampler", "SamplingError", "generate", "generate_text"]


class SamplingError(LutraError, ValueError):
    """A temperature, a number of candidates or logits that cannot be sampled from."""


class Sampler:
    """Greedy or random choice of a token.

    Parameters
    ----------
    temperature : float
        0 takes the largest logit (the first of equals); above 0, probabilities are
        ``softmax(logits / temperature)``.
    top_k : int, optional
        Keep only that many candidates, the most probable ones.
    seed : int
        Seed of the random choice; the same seed gives the same choices.

    Raises
    ------
    SamplingError
        If the temperature is negative or not finite, or ``top_k`` is below 1.
    """

    def __init__(
        self, *, temperature: float = 0.0, top_k: int | None = None, seed: int = 0
    ) -> None:
        if not 0.0 <= temperature < np.inf:
            raise SamplingError(f"temperature is {temperature}; 0 or a finite number above it")
        if top_k is not None and top_k < 1:
            raise SamplingError(f"top_k is {top_k}; at least 1 expected")
        self.temperature = temperature
        self.top_k = top_k
        self._random = np.random.default_rng(seed)

    def __call__(self, logits: NDArray[np.floating]) -> int:
        """Return the chosen token of ``logits [vocabulary]``."""
        if logits.ndim != 1 or not logits.size or not np.isfinite(logits).all():
            raise SamplingError(f"logits of shape {logits.shape} are not one row of finite numbers")
        if self.temperature == 0.0 or self.top_k == 1:
            return int(np.argmax(logits))
        # a stable sort: equal logits keep the order of their tokens on every machine
        order = np.argsort(-logits, kind="stable")[: self.top_k]
        scaled = (logits[order].astype(np.float64) - float(logits[order[0]])) / self.temperature
        cumulative = np.cumsum(np.exp(scaled))
        drawn = self._random.random() * cumulative[-1]
        return int(order[min(np.searchsorted(cumulative, drawn, "right"), len(order) - 1)])


def generate(
    decoder: Decoder,
    prompt: list[int],
    *,
    count: int,
    sampler: Sampler | None = None,
    stop: int | None = None,
) -> Iterator[int]:
    """Yield up to ``count`` tokens after ``prompt``, each as soon as it is known.

    Parameters
    ----------
    decoder : Decoder
        Reset first.
    prompt : list of int
        At least one token; usually opens with the tokenizer's ``bos``.
    count : int
        Largest number of tokens.
    sampler : Sampler, optional
        Greedy if not given.
    stop : int, optional
        Ends the text when it is chosen; not yielded.
    """
    if count < 0:
        raise SamplingError(f"count is {count}; 0 or more expected")
    choose = Sampler() if sampler is None else sampler
    decoder.reset()
    logits = decoder.prefill(prompt)
    for made in range(count):
        token = choose(logits)
        if token == stop:
            return
        yield token
        if made + 1 < count:
            logits = decoder.step(token)


def generate_text(
    decoder: Decoder,
    tokenizer: ByteTokenizer,
    prompt: str,
    *,
    count: int,
    sampler: Sampler | None = None,
) -> str:
    """Return ``prompt`` continued by up to ``count`` tokens, ended early by an end of file.

    White space at the end of the prompt is left to the model: the tokenizer joins a line end
    with the indentation after it, so a prompt cut between them is text the model never saw.
    """
    start = [tokenizer.bos, *tokenizer.encode(prompt.rstrip())]
    made = generate(decoder, start, count=count, sampler=sampler, stop=tokenizer.bos)
    return tokenizer.decode([*start, *made])
