import numpy as np
import pytest

from lutra.hw.config import Config
from lutra.hw.digits import decode_digits, digit_range, encode_digits

CONFIGS = {
    "lut": Config(tables=5, lookup_group=3, axi_bits=32),
    "lut3": Config(pe="lut3", tables=5, lookup_group=3, axi_bits=32),
    "lut_full": Config(tables=5, lookup_group=3, axi_bits=32, table_form="full"),
    "lut3_full": Config(pe="lut3", tables=5, lookup_group=3, axi_bits=32, table_form="full"),
    "bitserial": Config(pe="bitserial", axi_bits=32),
    "add": Config(pe="add", tables=3, lookup_group=3, axi_bits=32),
    "mac1": Config(pe="mac", weight_bits=1, axi_bits=32),
    "mac3": Config(pe="mac", weight_bits=3, axi_bits=32),
    "mac8": Config(pe="mac", weight_bits=8, axi_bits=32),
    "shiftadd4": Config(pe="shiftadd", weight_bits=4, max_shift=4, axi_bits=32),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_words_hold_every_digit(name: str):
    config = CONFIGS[name]
    low, high, step = digit_range(config)
    rng = np.random.default_rng(0)
    shape = (30, config.lanes, config.k_block)
    digits = (rng.integers(0, (high - low) // step + 1, shape) * step + low).astype(np.int8)
    digits[0], digits[1] = low, high
    bits = encode_digits(digits, config)
    assert bits.shape == (30, config.weight_word_bits)
    assert bits.dtype == np.uint8
    assert bits.max() <= 1
    np.testing.assert_array_equal(decode_digits(bits, config), digits)
