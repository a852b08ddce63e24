"""Config: every constraint has its message; every derived width holds its worst case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.hw.config import Config, ConfigError, bits_for


@pytest.mark.parametrize(("values", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10)])
def test_bits_for(values: int, bits: int) -> None:
    assert bits_for(values) == bits


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pe": "gpu"}, r"pe must be one of \('lut', .*\), not 'gpu'"),
        ({"table_storage": "tape"}, "table_storage must be one of"),
        ({"weight_bits": 0}, "weight_bits must be from 1 to 8, not 0"),
        ({"weight_bits": 5, "max_weight_bits": 4}, "weight_bits must be from 1 to 4, not 5"),
        ({"max_weight_bits": 9}, "max_weight_bits must be from 1 to 8, not 9"),
        ({"act_bits": 17}, "act_bits must be from 2 to 16, not 17"),
        ({"rows": 0}, "rows must be from 1 to 64, not 0"),
        ({"lanes": 2000}, "lanes must be from 1 to 1024, not 2000"),
        ({"tables": 0}, "tables must be from 1 to 256, not 0"),
        ({"lookup_group": 1}, "lookup_group must be from 2 to 6, not 1"),
        ({"lookup_group": 7}, "lookup_group must be from 2 to 6, not 7"),
        (
            {"lookup_group": 11, "table_storage": "bram", "table_banks": 1},
            "lookup_group must be from 2 to 10, not 11",
        ),
        ({"max_shift": 8}, "max_shift must be from 1 to 7, not 8"),
        ({"scale_bits": 17}, "scale_bits must be from 0 to 16, not 17"),
        ({"axi_bits": 48}, "axi_bits must be 32, 64, ... or 1024, not 48"),
        ({"axi_bits": 1024}, "axi_bits must be at most the 512 bits of a weight word, not 1024"),
        ({"addr_bits": 64}, "addr_bits must be from 12 to 40, not 64"),
        ({"act_depth": 100}, "act_depth must be a power of two from 16 to 16384, not 100"),
        ({"psum_depth": 32768}, "psum_depth must be a power of two from 16 to 16384, not 32768"),
        ({"act_bits": 16}, "psum_bits must be at least 38 for these widths, not 32"),
        (
            {
                "lanes": 256,
                "tables": 1,
                "lookup_group": 4,
                "rows": 1,
                "axi_bits": 1024,
                "act_depth": 16,
            },
            "act_depth must be at least the 32 words of a bus beat, not 16",
        ),
        ({"device": "ice40"}, "device must be one of"),
        (
            {"device": "ecp5"},
            "device must be 'generic' for table_storage = 'registers', not 'ecp5'",
        ),
        (
            {"pe": "mac", "table_storage": "lutram"},
            "table_storage must be 'registers' for pe = 'mac', not 'lutram'",
        ),
        ({"table_banks": 3}, "table_banks must be from 1 to 2, not 3"),
        (
            {"device": "ecp5", "table_storage": "lutram", "lookup_group": 5},
            r"table_banks must be such that 32 entries fit the 16 of an ecp5 memory .*, not 2",
        ),
        (
            {"device": "xc7", "table_storage": "lutram", "table_form": "full", "lookup_group": 5},
            "table_banks must be such that 64 entries fit the 32 of an xc7 memory",
        ),
        ({"table_storage": "bram"}, "table_banks must be 1 for table_storage = 'bram', not 2"),
        ({"table_form": "third"}, "table_form must be one of"),
        ({"table_form": "full", "table_bits": 8}, "table_bits must be 0 for table_form = 'full'"),
        ({"table_feed": "drip"}, "table_feed must be one of"),
        (
            {"table_feed": "stream"},
            "table_feed must be 'block' for table_storage = 'registers', not 'stream'",
        ),
        (
            {"table_feed": "stream", "table_storage": "lutram"},
            "axi_bits must be a divisor of the 64 bits of one activation for each table and row",
        ),
        (
            {"table_feed": "stream", "table_storage": "lutram", "table_bits": 8},
            "table_feed must be 'block' with table_bits or act_exponent_bits, not 'stream'",
        ),
        ({"feed_rows": 1}, "feed_rows must be 0 with table_feed = 'block', not 1"),
        (
            {"table_feed": "stream", "table_storage": "lutram", "rows": 3, "feed_rows": 2},
            "feed_rows must be 0 or a divisor of the 3 rows, not 2",
        ),
        ({"group_zeros": 0}, "group_zeros must be from 1 to 1, not 0"),
        ({"tree_pipeline": -1}, "tree_pipeline must be from 0 to 8, not -1"),
        ({"fetch_depth": 1}, "fetch_depth must be a power of two from 2 to 128, not 1"),
        ({"fetch_depth": 12}, "fetch_depth must be a power of two from 2 to 128, not 12"),
        ({"fetch_storage": "tape"}, "fetch_storage must be one of"),
        ({"queue_depth": -1}, "queue_depth must be from 0 to 16, not -1"),
        ({"load_depth": 65}, "load_depth must be from 1 to 64, not 65"),
        ({"store_depth": 0}, "store_depth must be from 1 to 64, not 0"),
        ({"requantise_lanes": 3}, "requantise_lanes must be 0 or a power of two up to 64, not 3"),
        ({"counters": 2}, "counters must be from 0 to 1, not 2"),
    ],
)
def test_init_values(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**fields)


@pytest.mark.parametrize("fields", [{"lanes": "16"}, {"lanes": 16.0}, {"rows": True}, {"pe": 3}])
def test_init_types(fields: dict) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(fields))} must be (int|str), not"):
        Config(**fields)


_CONFIGS = st.builds(
    Config,
    pe=st.sampled_from(["lut", "bitserial"]),
    act_bits=st.integers(2, 16),
    weight_bits=st.just(1),
    rows=st.integers(1, 5),
    lanes=st.integers(16, 40),
    tables=st.integers(1, 20),
    lookup_group=st.integers(2, 6),
    max_weight_bits=st.integers(1, 8),
    scale_bits=st.integers(0, 16),
    psum_bits=st.just(64),
    axi_bits=st.just(32),
)


@given(_CONFIGS)
def test_widths_hold_the_worst_case(config: Config) -> None:
    most = config.k_block << config.act_bits - 1
    signed_max = {name: (1 << getattr(config, f"{name}_bits") - 1) - 1
                  for name in ("sum", "acc", "value", "scaled")}  # fmt: skip
    planes = (1 << config.max_weight_bits) - 1
    scale = max((1 << config.scale_bits) - 1, 1)
    assert most <= signed_max["sum"]
    assert most * planes <= signed_max["acc"]
    assert most * planes + (planes + 1) * most <= signed_max["value"]
    assert (most * planes + (planes + 1) * most) * scale <= signed_max["scaled"]
    # ... and no bit too many.
    assert most * 2 > signed_max["sum"]
    assert most * planes * 2 > signed_max["acc"]
    entries = config.lookup_group << config.act_bits - 1
    assert entries <= 1 << config.entry_bits - 1


@given(_CONFIGS, st.integers(8, 5000))
def test_memory_words(config: Config, bits: int) -> None:
    stride = config.memory_word_bits(bits)
    assert stride >= bits
    assert stride % 8 == 0
    assert (stride % config.axi_bits == 0) or (config.axi_bits % stride == 0)
    assert stride < 2 * bits or stride - bits < config.axi_bits
    assert config.words_per_row(bits) * stride == config.beats_per_row(bits) * config.axi_bits
