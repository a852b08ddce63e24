"""What quantised tables cost in accuracy: random products against exact ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..hw.config import Config
from .accelerator import Accelerator
from .quantized_matrix import QuantizedMatrix

__all__ = ["TableError", "table_error"]


class TableError(NamedTuple):
    """Error of products through quantised tables, relative to those of exact tables.

    Attributes
    ----------
    relative_rms : float
        ``sqrt(sum (y' - y)**2 / sum y**2)``.
    relative_max : float
        ``max |y' - y| / max |y|``.
    """

    relative_rms: float
    relative_max: float


def table_error(
    config: Config, *, shape: tuple[int, int, int] = (4, 256, 1024), bits: int = 2, seed: int = 1
) -> TableError:
    """Error of one random product on the functional device.

    Activations are normal, rounded to ``max|x| / (2**(A-1) - 1)`` of their row, as a language
    model's are; codes are uniform around the zero point ``2**(bits-1)``.

    Parameters
    ----------
    config : Config
        With `table_bits`.
    shape : (int, int, int)
        M, N and K.
    bits : int
        Width of the weights.
    seed : int
    """
    m, n, k = shape
    rng = np.random.default_rng(seed)
    reals = rng.normal(size=(m, k))
    top = (1 << config.act_bits - 1) - 1
    x = np.rint(reals / np.abs(reals).max(1, keepdims=True) * top).astype(np.int64)
    weights = QuantizedMatrix.from_codes(rng.integers(0, 1 << bits, (n, k)).astype(np.uint8), bits)
    with Accelerator.open("golden", config=config) as device:
        found = device.matmul(x, device.load(weights)).astype(np.float64)
    exact = (x @ weights.integers().T).astype(np.float64)
    wrong = found - exact
    return TableError(
        float(np.sqrt((wrong**2).sum() / (exact**2).sum())),
        float(np.abs(wrong).max() / np.abs(exact).max()),
    )
