from __future__ import annotations

import pytest

from lutra.boards.density.points import array_config

from ..boards.density.test_competitors import check_plane_sums


@pytest.mark.parametrize("group", [2, 3, 4])
@pytest.mark.parametrize("banks", [1, 2])
def test_sim_plane_sums(group: int, banks: int):
    config = array_config(
        "lut", "2", 8, rows=2, lanes=4, tables=4, lookup_group=group, table_storage="cells",
        table_banks=banks,
    )  # fmt: skip
    assert config.parity_bits == 1
    check_plane_sums(config)


def test_sim_single_table():
    check_plane_sums(
        array_config("lut", "2", 8, lanes=16, tables=1, lookup_group=3, table_storage="cells")
    )


def test_sim_trits():
    config = array_config("lut3", "1.58", 8, lanes=4, tables=3, table_storage="cells")
    assert config.parity_bits == 0
    check_plane_sums(config)
