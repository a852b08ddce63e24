"""Layouts of matrices without their codes: of caches that grow, and of models too large."""

from __future__ import annotations

import numpy as np

from ..hw.config import Config
from .errors import RangeError
from .lowering import lower
from .matrix_layout import MatrixLayout
from .quantized_matrix import QuantizedMatrix

__all__ = ["layout_of_shape"]


def layout_of_shape(
    config: Config,
    n: int,
    k: int,
    bits: int,
    *,
    zero_point: int | None = None,
    ternary: bool = False,
    group_size: int | None = None,
    n_pitch: int | None = None,
    any_codes: bool = True,
) -> MatrixLayout:
    """Layout ``[N, K]`` of `bits`-bit codes, whichever occur.

    Parameters
    ----------
    config : Config
    n, k, bits : int
    zero_point : int, optional
        By default the middle, ``2**(bits - 1)``.
    ternary : bool
        The codes are 0, 1 and 2 with zero point 1.
    group_size : int, optional
        Inputs that share parameters of their own; by default there are none.
    n_pitch : int, optional
        Output blocks that the image has room for.
    any_codes : bool
        Cut K into segments that no codes and activations overflow. False takes one segment: that
        of weights whose sums stay in range, as those of trained models do.

    Raises
    ------
    RangeError
        A size is not positive.
    UnsupportedFormatError
        The configuration was not built for such weights.
    """
    for name, value in (("n", n), ("k", k)):
        if value < 1:
            raise RangeError(f"{name} must be at least 1, not {value}")
    codes = np.arange(3 if ternary else 1 << bits, dtype=np.uint8)
    zero = 1 if ternary else zero_point
    grouped = group_size is not None and group_size < k
    samples = {}
    if grouped:
        samples = {"group_size": 1, "group_scales": np.ones((1, len(codes)), np.int64)}
        samples["group_scales"][0, 0] = 2 if config.scale_bits > 1 else 1
    weights = QuantizedMatrix.from_codes(codes[None], bits, zero_points=zero, **samples)
    of_sample = MatrixLayout.of(weights, config)  # checks the planes

    width = group_size if grouped else k
    assert width is not None
    group_blocks = -(-width // config.k_block)
    whole, rest = divmod(k, width)
    k_blocks = whole * group_blocks + -(-rest // config.k_block)
    n_blocks = -(-n // config.lanes)
    values = weights.code_values.astype(np.int64) - (weights.zero_points or 0)
    largest = int(np.abs(values).max()) << config.act_bits - 1 + config.max_exponent
    segments = (0,)
    if any_codes:
        error = 0
        if config.table_bits:
            error = (lower(weights, config).magnitude * config.tables) << config.max_table_shift
        most = ((1 << config.psum_bits - 1) - 1) // (largest * config.k_block + error)
        segments = tuple(range(0, k_blocks, most))
    return MatrixLayout(
        config=config,
        n=n,
        k=k,
        n_blocks=n_blocks,
        k_blocks=k_blocks,
        n_pitch=n_blocks if n_pitch is None else n_pitch,
        group_blocks=group_blocks,
        group_width=width,
        lowering=of_sample.lowering,
        coefficient=of_sample.coefficient,
        grouped=grouped,
        segments=segments,
        result_dtype=np.int32 if largest * k < 2**31 else np.int64,
    )
