"""The port of a memory: whole beats with byte strobes, answers in order."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...hw.config import bits_for

__all__ = ["BeatPort"]


class BeatPort(wiring.Signature):
    """Reads and writes of whole beats (seen from whoever asks).

    A request is taken in a cycle where `valid` and `ready` are high; one that is not taken may
    change. `ready` does not depend on `valid`. Every read that was taken is answered once, in
    order, by `read_valid` with `read_data`, any number of cycles later; the answer cannot be
    refused. Accesses take effect in the order in which they were taken.

    Parameters
    ----------
    data_bits : int
        Width of a beat.
    depth : int
        Beats of memory.

    Members
    -------
    valid, write : Out(1)
    ready : In(1)
    address : Out
        In beats.
    data : Out(data_bits)
    strobe : Out(data_bits // 8)
        One bit for each byte to write.
    read_valid : In(1)
    read_data : In(data_bits)
    """

    def __init__(self, data_bits: int, depth: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "write": Out(1),
                "address": Out(bits_for(depth)),
                "data": Out(data_bits),
                "strobe": Out(data_bits // 8),
                "read_valid": In(1),
                "read_data": In(data_bits),
            }
        )
