"""Tables of float16 sums: their values, and the order in which one adder makes them.

A lookup group of L activations has ``2**(L-1)`` sums in which the last activation is added; the
others are their negatives. Rounding makes sums depend on the order of additions, so it is fixed:
neighbours are added level by level, as in an adder tree, an odd last one passes. For a group of
four, entry i with bits ``b_0 b_1 b_2`` is

    T[i] = (x_3 +- x_2) + (x_1 +- x_0)      or     (x_3 +- x_2) - (x_1 +- x_0),

the second where ``b_1 = 0``. Any group is made of two halves, low (the largest power of two of
activations that leaves something) and high, as ``high + low`` and ``high - low``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SumStep", "float_table", "sum_schedule"]


def float_table(x: np.ndarray) -> np.ndarray:
    """Tables of float16 activations.

    Parameters
    ----------
    x : ndarray of float16, shape ``[..., L]``

    Returns
    -------
    ndarray of float16, shape ``[..., 2**(L-1)]``
        In the order of `hw.table`: bit j of an index is set where ``x[j]`` is added.
    """
    split = _split(x.shape[-1])
    if not split:
        return x
    low, high = float_table(x[..., :split])[..., None, :], float_table(x[..., split:])[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        both = np.stack([high - low[..., ::-1], high + low], axis=-2)
    return both.reshape(*x.shape[:-1], -1)


@dataclass(frozen=True, slots=True)
class SumStep:
    """``target = left - right if subtract else left + right``.

    Places are numbers: the L activations, then the partial sums, then the entries
    (`first_entry` is the first of those).
    """

    target: int
    left: int
    right: int
    subtract: bool


def sum_schedule(lookup_group: int) -> tuple[int, list[SumStep]]:
    """Place of the first entry, and the steps that fill a table, one addition each.

    Sums of two activations are kept in places of their own. Those of four, which groups of five
    and six need, lie in the entries that they are the last to be used for.
    """
    steps: list[SumStep] = []
    partial = 2 * (lookup_group // 2) if lookup_group > 2 else 0
    first_entry = lookup_group + partial
    places = iter(range(lookup_group, first_entry))

    def combine(low: list[int], high: list[int], targets: list[int]) -> list[int]:
        count = len(low)
        for j, right in enumerate(low):
            for h, left in enumerate(high):
                below = targets[2 * count * h + count - 1 - j]
                steps.append(SumStep(below, left, right, subtract=True))
            for h, left in enumerate(high):
                above = targets[2 * count * h + count + j]
                steps.append(SumStep(above, left, right, subtract=False))
        return targets

    def sums(first: int, count: int) -> list[int]:
        if count == 1:
            return [first]
        if count == 2:
            return combine([first], [first + 1], [next(places), next(places)])
        low, high = sums(first, 2), sums(first + 2, 2)
        entries = 1 << lookup_group - 1
        return combine(low, high, [first_entry + entries - 8 + i for i in range(8)])

    split = _split(lookup_group)
    entries = [first_entry + i for i in range(1 << lookup_group - 1)]
    if lookup_group == 2:
        combine([0], [1], entries)
    else:
        combine(sums(0, split), sums(split, lookup_group - split), entries)
    return first_entry, steps


def _split(count: int) -> int:
    """Activations of the low half: the largest power of two below `count`, 0 for one."""
    return 1 << (count - 1).bit_length() - 1 if count > 1 else 0
