"""Byte-level byte-pair encoding, compatible with the ``gpt2`` tokenizer kind of GGUF.

Encoding and decoding are plain Python, so that the shipped model needs no tokenizer library;
only learning new merges (`learn_merges`) imports ``tokenizers``.

References
----------
Sennrich, R. et al. (2016), "Neural Machine Translation of Rare Words with Subword Units",
arXiv:1508.07909.  Radford, A. et al. (2019), "Language Models are Unsupervised Multitask
Learners" (the byte alphabet and the split pattern).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ..errors import LutraError

__all__ = ["BOS", "ByteTokenizer", "TokenizerError", "byte_alphabet", "learn_merges"]

BOS = "<|bos|>"
"""The only special token: it opens every file, so that the first real token is coded too."""

# The split of GPT-2 without the `regex` module: `[^\W\d_]` are the letters.
_SPLIT = re.compile(
    r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+", re.UNICODE
)
_CACHE_LIMIT = 1 << 19


class TokenizerError(LutraError, ValueError):
    """A vocabulary or a token that this tokenizer cannot use."""


def byte_alphabet() -> list[str]:
    """Return the printable character that stands for each of the 256 bytes.

    Printable Latin-1 bytes stand for themselves, the other bytes for code points from 256 up.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet, spare = [], 256
    for byte in range(256):
        if byte in printable:
            alphabet.append(chr(byte))
        else:
            alphabet.append(chr(spare))
            spare += 1
    return alphabet


def learn_merges(texts: Iterable[str], *, vocabulary: int) -> tuple[list[str], list[str]]:
    """Learn a byte-pair vocabulary from ``texts``.

    Parameters
    ----------
    texts : iterable of str
        Training texts.
    vocabulary : int
        Number of tokens wanted, the special one and the 256 bytes included.

    Returns
    -------
    tokens, merges : list of str
        Tokens in id order, and merges as ``"left right"`` in the byte alphabet.

    Raises
    ------
    TokenizerError
        If the texts do not hold enough distinct pairs.
    """
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BOS],
        initial_alphabet=byte_alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer=trainer)
    model = json.loads(learner.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    if len(tokens) != vocabulary:
        raise TokenizerError(f"the texts gave {len(tokens)} tokens; {vocabulary} were wanted")
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return tokens, merges


class ByteTokenizer:
    """Encode text to token ids and back.

    Parameters
    ----------
    tokens : sequence of str
        Token strings in id order; must hold `BOS` and all 256 byte characters.
    merges : sequence of str
        Merges in rank order, each ``"left right"``.

    Raises
    ------
    TokenizerError
        If the vocabulary lacks a byte, repeats a token, or a merge makes no token.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self.merges = list(merges)
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise TokenizerError("the vocabulary repeats a token")
        self._alphabet = byte_alphabet()
        missing = [c for c in (BOS, *self._alphabet) if c not in self._ids]
        if missing:
            raise TokenizerError(f"the vocabulary lacks {missing[:3]!r} ({len(missing)} in all)")
        self._ranks: dict[tuple[str, str], int] = {}
        for rank, merge in enumerate(self.merges):
            left, _, right = merge.partition(" ")
            if not right or any(part not in self._ids for part in (left, right, left + right)):
                raise TokenizerError(f"merge {rank} is {merge!r}: its parts are not all tokens")
            self._ranks[left, right] = rank
        self.bos = self._ids[BOS]
        values = {character: byte for byte, character in enumerate(self._alphabet)}
        self._bytes: list[bytes] = []
        for index, token in enumerate(self.tokens):
            if index == self.bos:
                self._bytes.append(b"")
                continue
            try:
                self._bytes.append(bytes(values[character] for character in token))
            except KeyError as error:
                raise TokenizerError(
                    f"token {index} is {token!r}: {error.args[0]!r} is not a byte character"
                ) from None
        self._cache: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of ``text`` (without `BOS`); ``decode`` gives it back exactly."""
        ids: list[int] = []
        for piece in _SPLIT.findall(text):
            known = self._cache.get(piece)
            if known is None:
                known = self._merge(piece)
                if len(self._cache) < _CACHE_LIMIT:
                    self._cache[piece] = known
            ids += known
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ``ids``; raise `TokenizerError` for an id outside the vocabulary."""
        parts = []
        for index in ids:
            if not 0 <= index < len(self._bytes):
                raise TokenizerError(f"token {index} is outside 0 ... {len(self._bytes) - 1}")
            parts.append(self._bytes[index])
        return b"".join(parts)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def _merge(self, piece: str) -> list[int]:
        """Apply the merges to one piece, lowest rank first."""
        raw = piece.encode("utf-8", errors="surrogatepass")
        parts = [self._alphabet[byte] for byte in raw]
        while len(parts) > 1:
            ranks = [self._ranks.get(pair) for pair in pairwise(parts)]
            best = min((rank for rank in ranks if rank is not None), default=None)
            if best is None:
                break
            merged: list[str] = []
            at = 0
            while at < len(parts):
                if at < len(ranks) and ranks[at] == best:
                    merged.append(parts[at] + parts[at + 1])
                    at += 2
                else:
                    merged.append(parts[at])
                    at += 1
            parts = merged
        return [self._ids[part] for part in parts]
