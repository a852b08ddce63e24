"""Weight digits as the elements' weight words hold them: NumPy, shared by host and tests.

A weight is a sum of digits with power-of-two places, processed one plane of digits after the
other. Which digits there are, and how they are stored, depends on the element:

==========  =================================  =============================================
element     digits                             stored per lookup group
==========  =================================  =============================================
lut         -1, +1                             L - 1 index bits, add/subtract bit (`hw.table`)
lut3        -1, 0, +1                          4 index bits, add/subtract bit, for 3 digits
lut, lut3,                                     L bits, 1 for +1; 5 index bits for 3 digits
full tables
bitserial   -1, +1                             1 bit a digit, 1 for +1
add         -1, +1                             1 add/subtract bit a digit
mac,        -2**(b-1) .. 2**(b-1) - 1,         b bits a digit, two's complement
shiftadd    b = `Config.digit_bits`; -1, +1
            for b = 1                          (1 bit, 1 for +1)
==========  =================================  =============================================

With ``table_feed = "stream"`` lookup group u is made of inputs u, U + u, 2 U + u, ... of a K block,
else of L neighbours.

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
    if config.table_feed == "stream":
        digits = _regrouped(digits, config.lookup_group, config.tables)
    if config.pe == "lut3":
        groups = digits.reshape(*lead, config.lanes, config.tables, 3)
        bits = _encode_trits(groups, config)
    elif config.digit_bits > 1:
        bits = digits.astype(np.uint8)[..., None] >> np.arange(config.digit_bits) & 1
    else:
        bits = (digits > 0).astype(np.uint8)
        if config.pe == "lut" and config.table_form == "half":
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
        places = 1 << np.arange(config.index_bits)
        index = (fields[..., : config.index_bits] * places).sum(-1)
        digits = _trit_entries(config)[index]
        if config.table_form == "half":
            signs = 1 - 2 * decode_signs(fields[..., 4]).astype(np.int8)
            digits = digits * signs[..., None]
    elif config.digit_bits > 1:
        fields = bits.reshape(*lead, config.lanes, config.k_block, config.digit_bits)
        places = 1 << np.arange(config.digit_bits)
        places[-1] = -places[-1]
        digits = (fields * places).sum(-1)
    else:
        if config.pe == "lut" and config.table_form == "half":
            bits = decode_bits(bits.reshape(*lead, config.lanes, config.tables, -1))
        elif config.pe == "add":
            bits = decode_signs(bits.reshape(*lead, config.lanes, config.k_block)) ^ 1
        digits = (bits.view(np.int8) << 1) - 1
    digits = digits.reshape(*lead, config.lanes, config.k_block).astype(np.int8, copy=False)
    if config.table_feed == "stream":
        digits = _regrouped(digits, config.tables, config.lookup_group)
    return digits


def _regrouped(digits: np.ndarray, outer: int, inner: int) -> np.ndarray:
    """The last axis, ``[outer][inner]``, as ``[inner][outer]``."""
    split = digits.reshape(*digits.shape[:-1], outer, inner)
    return split.swapaxes(-1, -2).reshape(digits.shape)


def _encode_trits(trits: np.ndarray, config: Config) -> np.ndarray:
    """Trits ``[..., tables, 3]`` to bits ``[..., tables, 5]``."""
    code = ((trits + 1) * np.array([1, 3, 9])).sum(-1)
    index, negative = _trit_tables(config)
    places = np.arange(config.index_bits)
    stored = index[code][..., None] >> places & 1
    if config.table_form == "half":
        stored = np.concatenate([stored, encode_signs(negative[code])[..., None]], -1)
    return stored.astype(np.uint8)


def _trit_tables(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Index and sign of the three trits ``sum_i (t_i + 1) 3**i``."""
    index, sign = np.zeros(27, np.uint8), np.zeros(27, np.uint8)
    for place, entry in enumerate(ternary_order(config)):
        for negative in range(2 if config.table_form == "half" else 1):
            vector = [-t if negative else t for t in entry]
            code = sum((t + 1) * 3**i for i, t in enumerate(vector))
            index[code], sign[code] = place, negative
    sign[13] = 0  # zero has no sign
    return index, sign


def _trit_entries(config: Config) -> np.ndarray:
    """Trits of each index; those beyond the last entry read what lies there: nothing."""
    entries = ternary_order(config)
    nothing = [(0, 0, 0)] * ((1 << config.index_bits) - len(entries))
    return np.array([*entries, *nothing], np.int8)
