"""One register between two streams, so that neither side's logic reaches the other's."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

__all__ = ["StreamRegister"]


class StreamRegister(Component):
    """Hands transfers on; `i.ready` and `o.valid` come from the same flip-flop.

    Latency: one cycle. One transfer every two cycles: enough where bytes go to a serial line.

    Parameters
    ----------
    shape : shape-like
        Of the payload.

    Attributes
    ----------
    i : In(stream)
    o : Out(stream)
    """

    def __init__(self, shape: Any) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full)]
        with m.If(~full):
            m.d.sync += [full.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        return m
