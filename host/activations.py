"""What `Accelerator.matmul` takes as activations, checked before anything is sent."""

from __future__ import annotations

import numpy as np

from ..hw.config import Config
from .errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError
from .matrix_layout import MatrixLayout

__all__ = ["check_act_bits", "check_activations", "check_exponents"]


def check_act_bits(act_bits: int | None, config: Config) -> int:
    """Width of the activations: `act_bits`, by default all that the device has.

    Raises
    ------
    DtypeError, RangeError
    """
    most = config.act_bits
    if act_bits is None:
        return most
    if not isinstance(act_bits, int) or isinstance(act_bits, bool):
        raise DtypeError(f"act_bits must be an int, not {act_bits!r}")
    if not 1 <= act_bits <= most:
        raise RangeError(f"act_bits must be from 1 to {most}, not {act_bits}")
    return act_bits


def check_activations(x: np.ndarray, layout: MatrixLayout, bits: int) -> None:
    """``[M, K]`` integers that `bits` hold; nothing wraps silently.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.integer):
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise DtypeError(
            f"x must be an integer array, not {found}; quantise activations first, for example "
            f"by scale = abs(x).max() / {max(1, (1 << bits - 1) - 1)} and x = rint(x / scale)"
        )
    if x.ndim != 2 or x.shape[1] != layout.k or x.shape[0] == 0:
        raise ShapeError(f"x must have shape [M, {layout.k}], M at least 1, not {x.shape}")
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    limits = np.iinfo(x.dtype)
    if limits.min < low and int(x.min()) < low:
        raise RangeError(f"x must be from {low} to {high} ({bits} bits), not {int(x.min())}")
    if limits.max > high and int(x.max()) > high:
        raise RangeError(f"x must be from {low} to {high} ({bits} bits), not {int(x.max())}")


def check_exponents(exponents: np.ndarray | None, m: int, layout: MatrixLayout) -> None:
    """``[M, k_blocks]`` integers that the exponent fields hold.

    Raises
    ------
    UnsupportedFormatError
        The device has no exponents.
    DtypeError, ShapeError, RangeError
    """
    if exponents is None:
        return
    config = layout.config
    if not config.act_exponent_bits:
        raise UnsupportedFormatError(
            f"configuration {config.name!r} has no exponents (act_exponent_bits = 0)"
        )
    if not isinstance(exponents, np.ndarray) or not np.issubdtype(exponents.dtype, np.integer):
        raise DtypeError("exponents must be an integer array")
    if exponents.shape != (m, layout.k_blocks):
        raise ShapeError(f"exponents must have shape {(m, layout.k_blocks)}, not {exponents.shape}")
    low, high = int(exponents.min()), int(exponents.max())
    if low < 0 or high > config.max_exponent:
        raise RangeError(
            f"exponents must be from 0 to {config.max_exponent}, not {low if low < 0 else high}"
        )
