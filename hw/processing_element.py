"""The seam between the core and what multiplies: one signature, several processing elements."""

from __future__ import annotations

from amaranth.hdl import Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, bits_for
from .element_latency import element_latency

__all__ = [
    "PEControl",
    "ProcessingElement",
    "ProcessingElementSignature",
    "create_processing_element",
    "delayed_rows",
    "row_terms",
    "signed_sum",
]

#: What accompanies a weight word. `release` marks the last word of a K block. A bit-serial element
#: meets every weight word once per activation bit `act_plane`, the highest one first. `probe` has
#: tables that were fed as a stream looked up, in place of a word, for the sum of the activations.
PEControl = data.StructLayout(
    {"valid": 1, "act_plane": 5, "act_first": 1, "act_last": 1, "release": 1, "probe": 1}
)


class ProcessingElementSignature(wiring.Signature):
    """A processing element, seen from itself.

    It takes K blocks of activations from `x` into one of its banks, and strobes `loaded` when a
    bank can be used. (With ``table_feed = "stream"`` a K block is one transfer a step of
    `hw.build_schedule`, and needs a `probe` before its first weight word.) Each weight word then
    meets the oldest bank, and ``latency`` cycles later (a constant of the element) gives, for every
    row m and lane n, the plane sum

        s[m, n] = sum_k d[n, k] * x[m, k],

    d a digit of the weight (-1 or +1, a trit, or a small integer: see `hw.digits`), as
    ``sums[m * lanes + n]``, to be negated where ``signs[n]``, with what each row has in
    common, ``rows[m]`` (`row_terms`).
    For an element with several cycles a word, that is the latency of the last of them.
    """

    def __init__(self, config: Config) -> None:
        sums = data.ArrayLayout(signed_sum(config), config.rows * config.lanes)
        super().__init__(
            {
                "x": In(stream.Signature(config.feed_bits)),
                "loaded": Out(1),
                "control": In(PEControl),
                "weights": In(config.weight_word_bits),
                "sums": Out(sums),
                "signs": Out(config.lanes),
                "rows": Out(data.ArrayLayout(row_terms(config), config.rows)),
            }
        )


class ProcessingElement(wiring.Component):
    """Base of all elements: ports and latency follow from the configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(ProcessingElementSignature(config))

    @property
    def latency(self) -> int:
        """Cycles from a weight word to its plane sums (`hw.element_latency`)."""
        return element_latency(self._config)


def signed_sum(config: Config):
    """Shape of one plane sum."""
    return signed(config.sum_bits)


def row_terms(config: Config) -> data.StructLayout:
    """What a row of a K block contributes besides its plane sums.

    `sum_x` is the sum of its activations; `shift` what its plane sums are to be shifted left by
    because their tables were quantised; `exponent` what the whole is to be shifted by.
    """
    return data.StructLayout(
        {
            "sum_x": signed(config.sum_x_bits),
            "shift": bits_for(config.max_table_shift + 1),
            "exponent": config.act_exponent_bits,
        }
    )


def delayed_rows(m, config: Config, rows, cycles: int):
    """`rows` (an array of `row_terms`), `cycles` cycles later."""
    layout = data.ArrayLayout(row_terms(config), config.rows)
    for cycle in range(cycles):
        later = Signal(layout, name=f"rows{cycle}", reset_less=True)
        m.d.sync += later.eq(rows)
        rows = later
    return rows


def create_processing_element(config: Config) -> ProcessingElement:
    """The element that `config.pe` names."""
    from .bitserial_array import BitSerialArray
    from .direct_array import DirectArray
    from .lut_array import LUTArray

    elements = {
        "lut": LUTArray, "lut3": LUTArray, "bitserial": BitSerialArray,
        "add": DirectArray, "mac": DirectArray, "shiftadd": DirectArray,
    }  # fmt: skip
    return elements[config.pe](config)
