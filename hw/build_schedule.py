"""The order in which a table's entries are built, one addition each."""

from __future__ import annotations

from dataclasses import dataclass

from .config import Config

__all__ = ["BuildStep", "build_schedule", "plain_sum_step", "ternary_order"]


@dataclass(frozen=True, slots=True)
class BuildStep:
    """``sum = (0 if this is the first step else sum) + factor * x[operand]``.

    `index` is where the sum goes in the table, None while it is only being started.
    """

    operand: int
    factor: int
    index: int | None


def build_schedule(config: Config) -> list[BuildStep]:
    """Steps that fill one table: ``Config.build_steps`` of them.

    `lut`: the L activations are added up to the all-plus entry; every further entry differs from
    its predecessor in one index bit, so that adding ``+-2 x_i`` makes it (Gray 1953).

    Full tables go on through the other half, in which the last activation is negative.

    `lut3`: the fourteen sums of three trits that are no negatives of each other, in an
    order in which neighbours differ by one activation (`ternary_order`). The step's number is the
    index.
    """
    if config.pe == "lut3":
        order = ternary_order(config)
        full = config.table_form == "full"
        steps = [BuildStep(i, 1, 0 if i == 2 else None) for i in range(3)]
        if not full:
            steps = [BuildStep(0, 0, 0)]
        for index in range(1, len(order)):
            change = [b - a for a, b in zip(order[index - 1], order[index], strict=True)]
            operand = next(i for i, c in enumerate(change) if c)
            steps.append(BuildStep(operand, change[operand], index))
        return steps
    group = config.lookup_group
    ones = (1 << config.index_bits) - 1
    steps = [BuildStep(i, 1, ones if i == group - 1 else None) for i in range(group)]
    for k in range(1, ones + 1):
        index = ones ^ k ^ k >> 1
        changed = (k & -k).bit_length() - 1
        steps.append(BuildStep(changed, 2 if index >> changed & 1 else -2, index))
    return steps


def plain_sum_step(config: Config) -> int:
    """The step after which the sum is that of all activations."""
    if config.pe == "lut3":
        return 2 if config.table_form == "full" else ternary_order(config).index((1, 1, 1))
    return config.lookup_group - 1


def ternary_order(config: Config) -> list[tuple[int, int, int]]:
    """The trits of each entry of a `lut3` table, by index. Neighbours differ by one in one trit.

    Half tables hold none and, of every pair of opposite vectors, the one whose highest trit that is
    not zero is +1: 13 of the 26 that are not zero. Full ones hold all 27, in the reflected
    ternary Gray order from three +1 to three -1.
    """
    if config.table_form == "full":
        order: list[tuple[int, ...]] = [()]
        for _ in range(3):
            order = [(*low, trit) for i, trit in enumerate((1, 0, -1))
                     for low in (order[::-1] if i % 2 else order)]  # fmt: skip
        return [(a, b, c) for a, b, c in order]
    return [
        (0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (-1, 1, 0), (-1, 1, 1), (0, 1, 1), (1, 1, 1),
        (1, 0, 1), (0, 0, 1), (-1, 0, 1), (-1, -1, 1), (0, -1, 1), (1, -1, 1),
    ]  # fmt: skip
