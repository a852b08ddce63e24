"""One combination of the grid: products of drawn shapes and values, made small if they fail."""

from __future__ import annotations

import zlib

from .accelerator import Accelerator
from .errors import LutraError
from .grid_cases import KINDS, GridCase, check_case
from .grid_variants import GridCombination

__all__ = ["check_combination"]


def check_combination(
    combination: GridCombination,
    golden: Accelerator,
    device: Accelerator | None,
    *,
    examples: int,
) -> None:
    """Products of drawn shapes and values; a failing one is made as small as possible.

    The first example has ragged edges in every direction and everything at the ends of its range.

    Raises
    ------
    MismatchError
        A result differs; notes say of which example.
    LutraError
        `hypothesis` is missing (``pip install lutra[dev]``), or the driver failed.
    """
    try:
        from hypothesis import HealthCheck, example, given, seed, settings
        from hypothesis import strategies as st
    except ImportError as error:
        raise LutraError("the grid needs hypothesis: pip install lutra[dev]") from error
    c = golden.config
    number = zlib.crc32(str(combination).encode())
    edges = GridCase(c.rows + 1, 2 * c.lanes + 1, 2 * c.k_block - 1, number, *["extreme"] * 2)
    drawn = st.builds(
        GridCase,
        m=st.integers(1, 2 * c.rows + 1),
        n=st.integers(1, 3 * c.lanes + 1),
        k=st.integers(1, 4 * c.k_block + 1),
        seed=st.integers(0, 1 << 32),
        weights=st.sampled_from(KINDS),
        activations=st.sampled_from(KINDS),
    )

    @seed(number)
    @settings(
        max_examples=max(1, examples - 1),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @example(case=edges)
    @given(case=drawn)
    def check(case: GridCase) -> None:
        check_case(combination, case, golden, device)

    check()
