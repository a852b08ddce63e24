"""The definition of float16 tables, and its schedule of additions."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.hw.float16_table import float_table, sum_schedule
from lutra.hw.table import build_table


@pytest.mark.parametrize("group", [2, 3, 4, 5, 6])
def test_float_table_of_small_integers_is_the_integer_table(group: int) -> None:
    x = np.random.default_rng(group).integers(-128, 128, (20, group))
    assert (float_table(x.astype(np.float16)) == build_table(x)).all()


@pytest.mark.parametrize(("group", "additions"), [(2, 2), (3, 6), (4, 12), (5, 28), (6, 46)])
def test_schedule_makes_the_table(group: int, additions: int) -> None:
    rng = np.random.default_rng(group)
    x = (rng.standard_normal((500, group)) * 2.0 ** rng.integers(-20, 12, (500, group))).astype(
        np.float16
    )
    first_entry, steps = sum_schedule(group)
    assert len(steps) == additions
    places = {i: x[:, i] for i in range(group)}
    for step in steps:
        left, right = places[step.left], places[step.right]
        places[step.target] = left - right if step.subtract else left + right
    table = float_table(x)
    for index in range(table.shape[1]):
        assert (
            places[first_entry + index].view(np.uint16) == table[:, index].view(np.uint16)
        ).all()
    used = {step.target for step in steps} - set(range(first_entry, first_entry + table.shape[1]))
    assert used == set(range(group, first_entry))
