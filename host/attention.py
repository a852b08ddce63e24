"""Attention with keys and values as low-bit operands: both products run on the array.

``softmax(Q K.T / sqrt(D)) V`` has two matrix products whose operands are both dynamic. Here the
cache is the low-bit operand, packed as it grows, and queries and probabilities are the activations.
Every position of a head is quantised by itself, with a scale and a centre of its own,

    k ~ scale * (code - 2**(bits-1)) + centre

so that nothing is ever quantised anew. The array only sees integers; scales and centres are
applied on the host, where they cost one multiplication a score:

    q . k     ~ s_q (scale Y + centre sum_d q_d)                  Y = sum_d q_d (code_d - z)
    sum_t p_t v_t ~ s_a Y + sum_t p_t centre_t                    a_t = p_t scale_t, quantised

Quantising each token by itself, with a zero point, is how KIVI treats values (Liu et al. 2024,
arXiv:2402.02750).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .accelerator import Accelerator
from .cache_codes import CachedRows
from .errors import RangeError, ShapeError
from .growing_matrix import GrowingMatrix, GrowthAxis

__all__ = ["CacheProducts", "DeviceProducts", "GrowingCodes", "KeyValueCache"]


class GrowingCodes(Protocol):
    """Codes ``[positions, width]`` that positions are appended to."""

    def append(self, codes: np.ndarray) -> None:
        """Add uint8 codes ``[count, width]``."""
        ...

    def free(self) -> None:
        """Let go of them."""
        ...


class CacheProducts(Protocol):
    """Where the integer products of a cache are computed, and in what width of activations."""

    @property
    def act_bits(self) -> int:
        """Width of the activations."""
        ...

    def grow(self, width: int, *, bits: int, axis: GrowthAxis) -> GrowingCodes:
        """An empty matrix as of `GrowingMatrix`."""
        ...

    def matmul(self, x: np.ndarray, matrix: GrowingCodes, /) -> np.ndarray:
        """The exact product of activations ``[M, K]`` with it."""
        ...


@dataclass(frozen=True)
class DeviceProducts:
    """`CacheProducts` of an accelerator."""

    accelerator: Accelerator

    @property
    def act_bits(self) -> int:
        """Width of the device's activations."""
        return self.accelerator.config.act_bits

    def grow(self, width: int, *, bits: int, axis: GrowthAxis) -> GrowingMatrix:
        """See `CacheProducts.grow`."""
        return GrowingMatrix(self.accelerator, width, bits=bits, axis=axis)

    def matmul(self, x: np.ndarray, matrix: GrowingCodes, /) -> np.ndarray:
        """See `CacheProducts.matmul`."""
        assert isinstance(matrix, GrowingMatrix)
        return self.accelerator.matmul(x, matrix)


class KeyValueCache:
    """Keys and values of one layer, and causal attention over them.

    Parameters
    ----------
    products : Accelerator or CacheProducts
    heads : int
        Heads of keys and values; queries may have a multiple of them (grouped queries).
    head_width : int
        Features ``D`` of a head.
    bits : int
        Of keys and values, 2 to 8.

    Raises
    ------
    RangeError
        A size is not positive, or `bits` outside its range.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> with Accelerator.open("golden", config="tiny") as device:
    ...     cache = KeyValueCache(device, heads=1, head_width=16, bits=4)
    ...     cache.append(*random.normal(size=(2, 3, 1, 16)))
    ...     cache.attend(random.normal(size=(1, 2, 16))).shape  # two queries share the head
    (1, 2, 16)
    """

    def __init__(
        self, products: Accelerator | CacheProducts, *, heads: int, head_width: int, bits: int = 4
    ) -> None:
        for name, value in (("heads", heads), ("head_width", head_width)):
            if value < 1:
                raise RangeError(f"{name} must be at least 1, not {value}")
        if not 2 <= bits <= 8:
            raise RangeError(f"bits must be from 2 to 8, not {bits}")
        if isinstance(products, Accelerator):
            products = DeviceProducts(products)
        self._products = products
        self.heads, self.head_width, self.bits = heads, head_width, bits
        self.keys: list[CachedRows] = []
        self.values: list[CachedRows] = []
        for _ in range(heads):
            keys = products.grow(head_width, bits=bits, axis="outputs")
            self.keys.append(CachedRows(keys, bits))
            values = products.grow(head_width, bits=bits, axis="inputs")
            self.values.append(CachedRows(values, bits))

    @property
    def length(self) -> int:
        """Positions so far."""
        return self.keys[0].length

    def append(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add positions: floats ``[T, heads, D]`` each.

        Raises
        ------
        ShapeError, OutOfDeviceMemoryError
        """
        wanted = (len(keys), self.heads, self.head_width)
        for name, array in (("keys", keys), ("values", values)):
            if array.shape != wanted:
                raise ShapeError(f"{name} must have shape {wanted}, not {array.shape}")
        for head in range(self.heads):
            self.keys[head].append(keys[:, head])
            self.values[head].append(values[:, head])

    def attend(self, query: np.ndarray) -> np.ndarray:
        """``softmax(Q K.T / sqrt(D) + mask) V`` of the last positions.

        Parameters
        ----------
        query : ndarray of floats, shape ``[T, G * heads, D]``
            Of the last T positions; query t sees all positions up to its own. Heads ``G h`` to
            ``G h + G - 1`` use head h of the cache.

        Returns
        -------
        ndarray of float32, shape ``[T, G * heads, D]``

        Raises
        ------
        ShapeError
        """
        count = query.shape[0]
        if (
            query.ndim != 3
            or query.shape[1] % self.heads
            or query.shape[2] != self.head_width
            or not 1 <= count <= self.length
        ):
            raise ShapeError(
                f"query must have shape [1 ... {self.length}, multiple of {self.heads}, "
                f"{self.head_width}], not {query.shape}"
            )
        group = query.shape[1] // self.heads
        out = np.empty(query.shape, np.float32)
        for head in range(self.heads):
            mine = slice(head * group, (head + 1) * group)
            rows = np.asarray(query[:, mine], np.float64).reshape(count * group, -1)
            out[:, mine] = self._attend(rows, head, group).reshape(count, group, -1)
        return out

    def free(self) -> None:
        """Give the memory back. Freeing twice does nothing."""
        for rows in (*self.keys, *self.values):
            rows.matrix.free()

    def _attend(self, rows: np.ndarray, head: int, group: int) -> np.ndarray:
        """Float64 ``[T * group, D]`` of one head of the cache."""
        keys, values = self.keys[head], self.values[head]
        x, scale = self._quantise(rows / np.sqrt(self.head_width))
        products = self._products.matmul(x, keys.matrix)
        totals = x.sum(1, dtype=np.int64)[:, None]
        scores = scale * (products * keys.scales + totals * keys.centres)
        first = self.length - len(rows) // group
        seen = first + 1 + np.arange(len(rows)) // group
        scores[np.arange(self.length) >= seen[:, None]] = -np.inf
        weights = np.exp(scores - scores.max(1, keepdims=True))
        # Not divided by their sum yet: so their codes do not depend on positions not seen.
        a, scale = self._quantise(weights * values.scales)
        mixed = scale * self._products.matmul(a, values.matrix)
        mixed += (weights * values.centres).sum(1, keepdims=True)
        return mixed / weights.sum(1, keepdims=True)

    def _quantise(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows as signed integers of the activations' width, and a scale for each."""
        top = (1 << self._products.act_bits - 1) - 1
        scale = np.maximum(np.abs(rows).max(1, keepdims=True), 1e-30) / top
        return np.rint(rows / scale).astype(np.int8 if top < 128 else np.int16), scale
