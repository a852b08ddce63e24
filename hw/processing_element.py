"""The seam between the core and what multiplies: one signature, several processing elements."""

from __future__ import annotations

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config

__all__ = ["PEControl", "ProcessingElementSignature", "create_processing_element"]

#: What accompanies a weight word. `release` marks the last word of a K block. A bit-serial
#: element meets every weight word once per activation bit `act_plane`, the highest one first.
PEControl = data.StructLayout(
    {"valid": 1, "act_plane": 5, "act_first": 1, "act_last": 1, "release": 1}
)


class ProcessingElementSignature(wiring.Signature):
    """A processing element, seen from itself.

    It takes K blocks of activations from `x` into one of two banks, and strobes `loaded` when
    a bank can be used. Each weight word then meets the oldest bank, and ``latency`` cycles
    later (a constant of the element) gives, for every row m and lane n, the plane sum

        s[m, n] = sum_k d[n, k] * x[m, k],

    d a digit of the weight (-1 or +1, a trit, or a small integer: see `hw.digits`), as ``sums[m * lanes + n]``, to be negated where ``signs[n]``; and ``sum_x[m] = sum_k x[m, k]``.
    For an element with several cycles a word, that is the latency of the last of them.
    """

    def __init__(self, config: Config) -> None:
        sums = data.ArrayLayout(signed_sum(config), config.rows * config.lanes)
        super().__init__(
            {
                "x": In(stream.Signature(config.act_word_bits)),
                "loaded": Out(1),
                "control": In(PEControl),
                "weights": In(config.weight_word_bits),
                "sums": Out(sums),
                "signs": Out(config.lanes),
                "sum_x": Out(data.ArrayLayout(signed_sum(config), config.rows)),
            }
        )


def signed_sum(config: Config):
    """Shape of one plane sum."""
    from amaranth.hdl import signed

    return signed(config.sum_bits)


def create_processing_element(config: Config) -> wiring.Component:
    """The element that `config.pe` names, with a ``latency`` property in cycles."""
    from .bitserial_array import BitSerialArray
    from .direct_array import DirectArray
    from .lut_array import LUTArray

    elements = {
        "lut": LUTArray, "lut3": LUTArray, "bitserial": BitSerialArray,
        "add": DirectArray, "mac": DirectArray, "shiftadd": DirectArray,
    }  # fmt: skip
    return elements[config.pe](config)
