"""Cut the training text into random windows of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .corpus import CorpusError, SourceFile
from .tokenizer import ByteTokenizer

__all__ = ["Windows"]

_LIBRARY_SHARE = 0.55  # of the windows; tests are most of the text but least like the held-out
_FILE_START_SHARE = 0.06  # of the windows open at the start of a file


@dataclass(frozen=True, slots=True)
class _Stream:
    """Files one after another, each opened by the special token."""

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    characters: int

    @classmethod
    def of(cls, files: Sequence[SourceFile], tokenizer: ByteTokenizer) -> _Stream:
        if not files:
            return cls(np.zeros(0, np.int32), np.zeros(0, np.int64), 0)
        pieces = [np.array([tokenizer.bos, *tokenizer.encode(f.text)], np.int32) for f in files]
        starts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
        return cls(np.concatenate(pieces), starts, sum(len(f.text) for f in files))


class Windows:
    """Random training windows ``[rows, context + 1]`` from library and test files.

    Parameters
    ----------
    files : sequence of SourceFile
        Training files; those marked for validation are only used by `validation`.
    tokenizer : ByteTokenizer
        Turns them into tokens.
    context : int
        Tokens per window, the one to predict last not counted.
    seed : int
        Seed of the random places.

    Raises
    ------
    CorpusError
        If the library files or the validation files are shorter than one window.
    """

    def __init__(
        self, files: Sequence[SourceFile], tokenizer: ByteTokenizer, *, context: int, seed: int
    ) -> None:
        kept = [file for file in files if not file.is_validation]
        self._library = _Stream.of([file for file in kept if not file.is_test], tokenizer)
        self._tests = _Stream.of([file for file in kept if file.is_test], tokenizer)
        self._held_in = _Stream.of([file for file in files if file.is_validation], tokenizer)
        self._context = context
        # some distributions ship the library without its tests
        self._library_share = _LIBRARY_SHARE if len(self._tests.tokens) > context else 1.0
        for part, stream in (("library", self._library), ("validation", self._held_in)):
            if len(stream.tokens) <= context:
                raise CorpusError(
                    f"the {part} files hold {len(stream.tokens)} tokens; more than {context} wanted"
                )
        self._random = np.random.default_rng(seed)

    @property
    def tokens(self) -> int:
        """Number of distinct training tokens."""
        return len(self._library.tokens) + len(self._tests.tokens)

    def batch(self, rows: int) -> NDArray[np.int64]:
        """Return the next ``rows`` windows."""
        return np.stack([self._window() for _ in range(rows)]).astype(np.int64)

    def validation(self, rows: int) -> NDArray[np.int64]:
        """Return ``rows`` fixed windows spread over the validation files."""
        text, size = self._held_in.tokens, self._context + 1
        firsts = np.linspace(0, len(text) - size, rows).astype(np.int64)
        return np.stack([text[f : f + size] for f in firsts]).astype(np.int64)

    @property
    def validation_tokens_per_character(self) -> float:
        """Tokens per character of the validation files."""
        return len(self._held_in.tokens) / self._held_in.characters

    def _window(self) -> NDArray[np.int32]:
        random, size = self._random, self._context + 1
        stream = self._library if random.random() < self._library_share else self._tests
        last = len(stream.tokens) - size
        if random.random() < _FILE_START_SHARE:
            first = min(int(random.choice(stream.starts)), last)
        else:
            first = int(random.integers(0, last + 1))
        return stream.tokens[first : first + size]
