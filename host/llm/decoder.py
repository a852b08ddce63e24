"""Inference in NumPy, with every linear layer on an injected integer backend.

A linear layer is ``y = (q(norm(x)) @ C.T) * s_x * s_w``: the host normalises and quantises the
rows, the backend multiplies int8 codes with weight codes exactly, the host scales the integers.
A prompt goes through each layer as one product of all its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..attention import CacheProducts, KeyValueCache
from ..errors import LutraError
from .attention import causal_attention, normalise, rotate, squared_relu_gate
from .backend import LinearBackend, NumpyBackend
from .cache_backend import NumpyCache
from .checkpoint import Checkpoint
from .ternary import quantise_rows

__all__ = ["Decoder", "TokenError"]

_HEAD = "output.weight"


class TokenError(LutraError, ValueError):
    """Tokens that are not integers of the vocabulary, or none where some are needed."""


class Decoder:
    """A decoder with a cache of keys and values.

    Text longer than the context slides: when the cache is full, the last half context of tokens
    is read again as a fresh prompt, so that every token has between half a context and a whole
    one before it.

    Parameters
    ----------
    checkpoint : Checkpoint
        Weights and shape.
    backend : LinearBackend, optional
        Where the integer products run; `NumpyBackend` if not given.
    cache_bits : int, optional
        Keep keys and values in that many bits, 2 to 8, and compute attention's products as
        integers too; by default in float.
    cache : CacheProducts, optional
        Where these products run; `NumpyCache` if not given.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        backend: LinearBackend | None = None,
        cache_bits: int | None = None,
        cache: CacheProducts | None = None,
    ) -> None:
        self.config = checkpoint.config
        self._cache_bits = cache_bits
        self._products = NumpyCache() if cache is None else cache
        self._caches: list[KeyValueCache] = []
        self._backend = NumpyBackend() if backend is None else backend
        self._gains = checkpoint.gains
        self._embedding = checkpoint.embedding.astype(np.float32)
        self._handles: dict[str, object] = {}
        self._scales: dict[str, np.float32 | NDArray[np.float32]] = {}
        for name, matrix in checkpoint.matrices.items():
            codes = (matrix.codes + np.int8(1)).astype(np.uint8)
            self._handles[name] = self._backend.load(name, codes, bits=2, zero_point=1)
            self._scales[name] = np.float32(matrix.scale)
        head, self._scales[_HEAD] = quantise_rows(self._embedding)
        codes = (head.astype(np.int16) + 128).astype(np.uint8)
        self._handles[_HEAD] = self._backend.load(_HEAD, codes, bits=8, zero_point=128)
        self._seen: list[int] = []
        self._keys: list[NDArray[np.float32]] = []
        self._values: list[NDArray[np.float32]] = []
        self.reset()

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens whose keys and values are in the cache."""
        return tuple(self._seen)

    def reset(self) -> None:
        """Forget the text read so far."""
        empty = np.zeros((1, 0, self.config.heads, self.config.head_width), np.float32)
        self._seen = []
        self._keys = [empty] * self.config.layers
        self._values = [empty] * self.config.layers
        for cache in self._caches:
            cache.free()
        self._caches = []
        if self._cache_bits is not None:
            self._caches = [self._new_cache() for _ in range(self.config.layers)]

    def prefill(self, tokens: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Read ``tokens`` after the text so far; return the logits ``[vocabulary]`` of the next.

        Raises
        ------
        TokenError
            If there is no token or one is outside the vocabulary.
        """
        checked = self._checked(tokens)
        if checked.ndim != 1 or not checked.size:
            raise TokenError(f"tokens have shape {checked.shape}; (at least 1,) expected")
        new = checked.tolist()
        if len(self._seen) + len(new) > self.config.context:
            new = (self._seen + new)[-max(self.config.context // 2, 1) :]
            self.reset()
        hidden = self._blocks(np.array([new]), cached=True)
        self._seen += new
        return self.logits(hidden[0, -1:])[0]

    def step(self, token: int) -> NDArray[np.float32]:
        """Read one token; return the logits ``[vocabulary]`` of the next."""
        return self.prefill([token])

    def hidden(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the last hidden rows of independent texts, the cache left alone.

        Parameters
        ----------
        tokens : ndarray of int, shape (rows, T)
            ``T`` at most the context.

        Returns
        -------
        ndarray of float32, shape (rows, T, width)
        """
        checked = self._checked(tokens)
        if checked.ndim != 2 or not 1 <= checked.shape[1] <= self.config.context:
            raise TokenError(
                f"tokens have shape {checked.shape}; (rows, 1 ... {self.config.context}) expected"
            )
        return self._blocks(checked, cached=False)

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits ``[M, vocabulary]`` of hidden rows ``[M, width]``."""
        return self._linear(hidden, "output_norm.weight", _HEAD)

    def _checked(self, tokens: Sequence[int] | NDArray[np.integer]) -> NDArray[np.integer]:
        array = np.asarray(tokens)
        if array.size and not np.issubdtype(array.dtype, np.integer):
            raise TokenError(f"tokens are {array.dtype}; integers expected")
        if array.size and not 0 <= array.min() <= array.max() < self.config.vocabulary:
            raise TokenError(
                f"tokens lie in {array.min()} ... {array.max()}; "
                f"0 ... {self.config.vocabulary - 1} expected"
            )
        return array

    def _blocks(self, tokens: NDArray[np.integer], *, cached: bool) -> NDArray[np.float32]:
        rows, length = tokens.shape
        x = self._embedding[tokens.reshape(-1)]
        for layer in range(self.config.layers):
            prefix = f"blk.{layer}"
            mixed = self._linear(x, f"{prefix}.attn_norm.weight", f"{prefix}.attn_qkv.weight")
            out = self._attend(mixed.reshape(rows, length, 3, self.config.heads, -1), layer, cached)
            x = x + self._linear(
                out.reshape(rows * length, -1),
                f"{prefix}.attn_sub_norm.weight",
                f"{prefix}.attn_output.weight",
            )
            gate_up = self._linear(x, f"{prefix}.ffn_norm.weight", f"{prefix}.ffn_up.weight")
            x = x + self._linear(
                squared_relu_gate(gate_up),
                f"{prefix}.ffn_sub_norm.weight",
                f"{prefix}.ffn_down.weight",
            )
        return x.reshape(rows, length, -1)

    def _attend(self, mixed: NDArray[np.float32], layer: int, cached: bool) -> NDArray[np.float32]:
        """Rotate, extend the cache if there is one, and attend."""
        first = len(self._seen) if cached else 0
        query = rotate(mixed[:, :, 0], first=first, base=self.config.rope_base)
        key = rotate(mixed[:, :, 1], first=first, base=self.config.rope_base)
        value = mixed[:, :, 2]
        if self._cache_bits is not None:
            return self._attend_low_bit(query, key, value, self._caches[layer] if cached else None)
        if cached:
            key = self._keys[layer] = np.concatenate((self._keys[layer], key), axis=1)
            value = self._values[layer] = np.concatenate((self._values[layer], value), axis=1)
        return causal_attention(query, key, value)

    def _new_cache(self) -> KeyValueCache:
        assert self._cache_bits is not None
        heads, width = self.config.heads, self.config.head_width
        return KeyValueCache(self._products, heads=heads, head_width=width, bits=self._cache_bits)

    def _attend_low_bit(
        self,
        query: NDArray[np.float32],
        key: NDArray[np.float32],
        value: NDArray[np.float32],
        cache: KeyValueCache | None,
    ) -> NDArray[np.float32]:
        """Attend with the cache of a layer, or with a fresh one for each text."""
        out = np.empty(query.shape, np.float32)
        for row in range(len(query)):
            mine = cache or self._new_cache()
            mine.append(key[row], value[row])
            out[row] = mine.attend(query[row])
            if cache is None:
                mine.free()
        return out

    def _linear(self, x: NDArray[np.float32], norm: str, name: str) -> NDArray[np.float32]:
        """Normalise, quantise, multiply on the backend, scale."""
        normed = normalise(x, self._gains[norm], self.config.norm_epsilon)
        codes, scales = quantise_rows(normed)
        product = self._backend.matmul(codes, self._handles[name])
        # below 2 ** 24 for every shape in use, so the integers become float32 unrounded
        return product.astype(np.float32) * scales[:, None] * self._scales[name]
