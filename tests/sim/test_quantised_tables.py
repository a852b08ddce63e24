import numpy as np
import pytest

from lutra.hw.build_schedule import ternary_order
from lutra.hw.config import Config
from lutra.hw.digits import digit_range
from lutra.hw.table import build_table
from lutra.hw.table_quantiser import quantised_plane_sum, table_shift
from lutra.sim.quantised_tables import digit_columns, stored_tables, table_digits

CONFIGS = [
    Config(lanes=8, tables=3, lookup_group=group, axi_bits=32, table_bits=bits)
    for group, bits in ((2, 5), (4, 8), (6, 6))
] + [Config(pe="lut3", lanes=8, tables=3, lookup_group=3, axi_bits=32, table_bits=7)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.pe}{c.lookup_group}")
def test_products_with_columns_are_lookups(config: Config):
    rng = np.random.default_rng(0)
    low, high, step = digit_range(config)
    digits = rng.integers(0, (high - low) // step + 1, (30, config.k_block)) * step + low
    x = rng.integers(-128, 128, (20, config.k_block)) >> rng.integers(0, 7, (20, 1))
    tables, shift = stored_tables(x, config)
    sums = tables @ digit_columns(digits, config).T
    np.testing.assert_array_equal(sums, quantised_plane_sum(x[:, None], digits, config))
    np.testing.assert_array_equal(shift, table_shift(x, config))
    assert len(set(shift.tolist())) > 2


def test_entries_are_in_the_order_of_the_hardware():
    x = np.array([[1, 10, 100, 1000]])
    config = Config(lookup_group=4)
    np.testing.assert_array_equal(x @ table_digits(config).T, build_table(x))
    for form in ("half", "full"):
        config = Config(pe="lut3", lookup_group=3, table_form=form)
        assert table_digits(config).tolist() == [*map(list, ternary_order(config))]
