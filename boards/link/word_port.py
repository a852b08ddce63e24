"""The port through which the link reads and writes: 32-bit words with byte strobes."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WordPort"]


class WordPort(wiring.Signature):
    """One access at a time (seen from the link).

    `request` stays high, with everything that goes with it, until the slave strobes `done`; then it
    is low for at least one cycle. With `done` a read has `read_data`, and a write has been carried
    out as far as any later access can tell.

    Members
    -------
    request, write : Out(1)
    address : Out(32)
        In bytes, a multiple of 4.
    data : Out(32)
    strobe : Out(4)
        One bit for each byte to write.
    done : In(1)
    read_data : In(32)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "request": Out(1),
                "write": Out(1),
                "address": Out(32),
                "data": Out(32),
                "strobe": Out(4),
                "done": In(1),
                "read_data": In(32),
            }
        )
