"""Weight digits as the elements' weight words hold them: NumPy, shared by host and tests.

A weight is a sum of digits with power-of-two places, processed one plane of digits after the
other. Which digits there are, and how they are stored, depends on the element:

==========  =================================  =============================================
element     digits                             stored per lookup group
==========  =================================  =============================================
lut         -1, +1                             L - 1 index bits, add/subtract bit (`hw.table`)
lut3        -1, 0, +1                          4 index bits, add/subtract bit, for 3 digits
bitserial   -1, +1                             1 bit a digit, 1 for +1
add         -1, +1                             1 add/subtract bit a digit
mac,        -2**(b-1) .. 2**(b-1) - 1,         b bits a digit, two's complement
shiftadd    b = `Config.digit_bits`; -1, +1
            for b = 1                          (1 bit, 1 for +1)
==========  =================================  =============================================

Five bits for three trits, 1.67 bits a weight, is the packing of bitnet.cpp's TL2 (Wang et al. 2025)
and of the remark in LUT Tensor Core (Mo et al. 2024).
"""

from __future__ import annotations

import numpy as np

from .build_schedule import ternary_order
from .config import Config
from .table import decode_bits, decode_signs, encode_bits, encode_signs

__all__ = ["decode_digits", "digit_range", "encode_digits"]


def digit_range(config: Config) -> tuple[int, int, int]:
    """Smallest digit, largest digit, and the step between two digits."""
    if config.pe == "lut3":
        return -1, 1, 1
    if config.digit_bits > 1:
        return -config.digit_max, config.digit_max - 1, 1
    return -1, 1, 2


def encode_digits(digits: np.ndarray, config: Config) -> np.ndarray:
    """Bits of weight words.

    Parameters
    ----------
    digits : ndarray of int8, shape ``[..., lanes, k_block]``
        In `digit_range`, which is not checked here.

    Returns
    -------
    ndarray of uint8 {0, 1}, shape ``[..., weight_word_bits]``
    """
    lead = digits.shape[:-2]
    if config.pe == "lut3":
        bits = _encode_trits(digits.reshape(*lead, config.lanes, config.tables, 3))
    elif config.digit_bits > 1:
        bits = digits.astype(np.uint8)[..., None] >> np.arange(config.digit_bits) & 1
    else:
        bits = (digits > 0).astype(np.uint8)
        if config.pe == "lut":
            groups = bits.reshape(*lead, config.lanes, config.tables, config.lookup_group)
            bits = encode_bits(groups)
        elif config.pe == "add":
            bits = encode_signs(bits ^ 1)
    return bits.astype(np.uint8).reshape(*lead, config.weight_word_bits)


def decode_digits(bits: np.ndarray, config: Config) -> np.ndarray:
    """Digits int8 ``[..., lanes, k_block]`` of weight words: the inverse of `encode_digits`.

    Stored bits that no digits are encoded as mean what the hardware reads in them.
    """
    lead = bits.shape[:-1]
    if config.pe == "lut3":
        fields = bits.reshape(*lead, config.lanes, config.tables, 5)
        index = (fields[..., :4] * np.array([1, 2, 4, 8], np.uint8)).sum(-1)
        signs = 1 - 2 * decode_signs(fields[..., 4]).astype(np.int8)
        digits = _TRIT_ENTRIES[index] * signs[..., None]
    elif config.digit_bits > 1:
        fields = bits.reshape(*lead, config.lanes, config.k_block, config.digit_bits)
        places = 1 << np.arange(config.digit_bits)
        places[-1] = -places[-1]
        digits = (fields * places).sum(-1)
    else:
        if config.pe == "lut":
            bits = decode_bits(bits.reshape(*lead, config.lanes, config.tables, -1))
        elif config.pe == "add":
            bits = decode_signs(bits.reshape(*lead, config.lanes, config.k_block)) ^ 1
        digits = (bits.view(np.int8) << 1) - 1
    return digits.reshape(*lead, config.lanes, config.k_block).astype(np.int8, copy=False)


def _encode_trits(trits: np.ndarray) -> np.ndarray:
    """Trits ``[..., tables, 3]`` to bits ``[..., tables, 5]``."""
    code = ((trits + 1) * np.array([1, 3, 9])).sum(-1)
    index, negative = _TRIT_INDEX[code], _TRIT_SIGN[code]
    stored = np.empty((*trits.shape[:-1], 5), np.uint8)
    for bit in range(4):
        stored[..., bit] = index >> bit & 1
    stored[..., 4] = encode_signs(negative)
    return stored


def _trit_tables() -> tuple[np.ndarray, np.ndarray]:
    index, sign = np.zeros(27, np.uint8), np.zeros(27, np.uint8)
    for place, entry in enumerate(ternary_order()):
        for negative in (0, 1):
            vector = [-t if negative else t for t in entry]
            code = sum((t + 1) * 3**i for i, t in enumerate(vector))
            index[code], sign[code] = place, negative
    sign[13] = 0  # zero has no sign
    return index, sign


_TRIT_INDEX, _TRIT_SIGN = _trit_tables()
#: Trits of each index; those beyond the last entry read what lies there: nothing.
_TRIT_ENTRIES = np.array([*ternary_order(), (0, 0, 0), (0, 0, 0)], np.int8)
