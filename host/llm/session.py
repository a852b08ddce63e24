"""One text written on a device: tokens as they come, what they cost, and proof they are right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..accelerator import Accelerator
from ..errors import UnsupportedFormatError
from .accelerator_backend import AcceleratorBackend
from .backend import BackendMismatchError, ComparingBackend
from .cache_backend import ComparingCache, NumpyCache
from .checkpoint import Checkpoint
from .decoder import Decoder
from .sampling import Sampler, generate

__all__ = ["ACTIVATION_BITS", "Phase", "Session"]

#: Width of the decoder's activations (`ternary.quantise_rows`).
ACTIVATION_BITS = 8


@dataclass(kw_only=True)
class Phase:
    """Cost of a part of the text: the prompt, or the tokens written after it."""

    tokens: int = 0
    seconds: float = 0.0
    counters: Counter[str] = field(default_factory=Counter)

    def per_token(self, counter: str) -> float:
        """Average of a device counter a token."""
        return self.counters[counter] / max(self.tokens, 1)

    @property
    def utilisation(self) -> float:
        """Busy cycles of the array as a fraction of all cycles."""
        return self.counters["array_busy"] / max(self.counters["cycles"], 1)

    def tokens_per_second(self, clock_hz: float) -> float:
        """Tokens/s of a device with this clock, the host's own work not counted."""
        return clock_hz / self.per_token("cycles") if self.counters["cycles"] else 0.0


class Session:
    """A decoder on a device, every integer of which is compared with NumPy's unless told not to.

    Parameters
    ----------
    checkpoint : Checkpoint
    accelerator : Accelerator
    check : bool
        Compare every product with `NumpyBackend`, and the finished text with one that a
        decoder without the device writes.
    cache_bits : int, optional
        Width of keys and values, whose products then run on the device too; by default attention
        is computed in float on the host.

    Raises
    ------
    UnsupportedFormatError
        The device's activations are narrower than the model's, or its accumulators too small.

    Attributes
    ----------
    prompt, text : Phase
        What reading the prompt and writing the text have cost.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        accelerator: Accelerator,
        *,
        check: bool = True,
        cache_bits: int | None = None,
    ) -> None:
        if accelerator.config.act_bits < ACTIVATION_BITS:
            raise UnsupportedFormatError(
                f"the model's activations take {ACTIVATION_BITS} bits, but configuration "
                f"{accelerator.config.name!r} has act_bits = {accelerator.config.act_bits}"
            )
        self._checkpoint = checkpoint
        self._device = AcceleratorBackend(accelerator)
        self._comparing = ComparingBackend(self._device) if check else None
        self._cache = ComparingCache(self._device) if check else None
        self._cache_bits = cache_bits
        self._decoder = Decoder(
            checkpoint,
            backend=self._comparing or self._device,
            cache_bits=cache_bits,
            cache=self._cache or self._device,
        )
        self.prompt, self.text = Phase(), Phase()

    @property
    def values_compared(self) -> int:
        """Integers compared with the reference so far."""
        return sum(checked.values for checked in (self._comparing, self._cache) if checked)

    @property
    def products(self) -> int:
        """Matrix products on the device so far."""
        return self._device.products

    def write(
        self, prompt: str, *, count: int, temperature: float = 0.0, top_k: int | None = None,
        seed: int = 0,
    ) -> Iterator[int]:  # fmt: skip
        """Yield up to `count` tokens after `prompt`, each as soon as the device has computed it.

        Raises
        ------
        BackendMismatchError
            The device gave another integer, or another text, than the reference.
        """
        tokenizer = self._checkpoint.tokenizer
        # White space begins tokens and never ends them: a prompt cut behind it continues badly.
        start = [tokenizer.bos, *tokenizer.encode(prompt.rstrip())]

        def tokens(decoder: Decoder) -> Iterator[int]:
            sampler = Sampler(temperature=temperature, top_k=top_k, seed=seed)
            return generate(decoder, start, count=count, sampler=sampler, stop=tokenizer.bos)

        made: list[int] = []
        phase, self.prompt, self.text = Phase(), Phase(), Phase()
        before, since = Counter(self._device.counters), time.perf_counter()
        for token in tokens(self._decoder):
            phase = self.text if made else self.prompt
            phase.tokens += 1 if made else len(start)
            phase.seconds += time.perf_counter() - since
            phase.counters.update(self._device.counters - before)
            made.append(token)
            yield token
            before, since = Counter(self._device.counters), time.perf_counter()
        if self._comparing:
            numpy = NumpyCache(self._device.act_bits)
            plain = Decoder(self._checkpoint, cache_bits=self._cache_bits, cache=numpy)
            reference = list(tokens(plain))
            if reference != made:
                at = int(np.argmin(np.equal(reference[: len(made)], made[: len(reference)])))
                raise BackendMismatchError(f"token {at} of the text differs from the reference")
