"""The float parts of the decoder: normalisation, rotary positions, causal attention.

They are computed on the host in a fixed order that does not depend on the backend.  Attention is
computed in float64 and rounded to float32, so that reading a prompt at once or token by token
gives the same numbers: sums of other lengths differ by about 1e-16, far below float32's 6e-8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["causal_attention", "normalise", "rotate", "squared_relu_gate"]

_QUERY_BLOCK = 128  # queries at a time: bounds the score matrix and skips most masked scores


def normalise(
    x: NDArray[np.float32], gain: NDArray[np.float32], epsilon: float
) -> NDArray[np.float32]:
    """Return ``x / sqrt(mean(x ** 2) + epsilon) * gain`` per row (Zhang & Sennrich 2019).

    Parameters
    ----------
    x : ndarray of float32, shape (M, K)
    gain : ndarray of float32, shape (K,)
    """
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + np.float32(epsilon)) * gain


def squared_relu_gate(gate_up: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``max(gate, 0) ** 2 * up`` of the two halves of each row."""
    gate, up = np.split(gate_up, 2, axis=-1)
    positive = np.maximum(gate, np.float32(0.0))
    return positive * positive * up


def rotate(x: NDArray[np.float32], *, first: int, base: float) -> NDArray[np.float32]:
    """Rotate every pair of features by its position's angle (Su et al. 2021).

    ``(a, b) -> (a cos - b sin, b cos + a sin)`` with angle ``position * base ** (-2 i / D)``,
    where ``a`` is feature ``i`` and ``b`` feature ``i + D / 2``.

    Parameters
    ----------
    x : ndarray of float32, shape (rows, positions, heads, D)
    first : int
        Position of ``x[:, 0]``.
    base : float
        Base of the frequencies.
    """
    half = x.shape[-1] // 2
    frequencies = base ** (-np.arange(half) / half)
    angles = np.arange(first, first + x.shape[1])[:, None] * frequencies
    cosine = np.cos(angles).astype(np.float32)[:, None, :]
    sine = np.sin(angles).astype(np.float32)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate((a * cosine - b * sine, b * cosine + a * sine), axis=-1)


def causal_attention(
    query: NDArray[np.float32],
    key: NDArray[np.float32],
    value: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return ``softmax(Q K.T / sqrt(D) + mask) V`` per head.

    Parameters
    ----------
    query : ndarray of float32, shape (rows, T, heads, D)
        The last ``T`` positions.
    key, value : ndarray of float32, shape (rows, S, heads, D)
        All ``S >= T`` positions; query ``t`` sees the first ``S - T + t + 1``.

    Returns
    -------
    ndarray of float32, shape (rows, T, heads, D)
    """
    past = key.shape[1] - query.shape[1]
    # [rows, heads, ...] in float64, keys transposed: one product per row and head
    queries = query.transpose(0, 2, 1, 3).astype(np.float64) / np.sqrt(query.shape[-1])
    keys = key.transpose(0, 2, 3, 1).astype(np.float64)
    values = value.transpose(0, 2, 1, 3).astype(np.float64)
    out = np.empty(query.shape, np.float32)
    for start in range(0, query.shape[1], _QUERY_BLOCK):
        stop = min(start + _QUERY_BLOCK, query.shape[1])
        seen = past + stop
        scores = queries[:, :, start:stop] @ keys[..., :seen]
        hidden = np.arange(seen) > np.arange(past + start, seen)[:, None]
        scores[..., hidden] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        mixed = scores @ values[:, :, :seen] / scores.sum(axis=-1, keepdims=True)
        out[:, start:stop] = mixed.transpose(0, 2, 1, 3)
    return out
