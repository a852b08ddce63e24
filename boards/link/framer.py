"""From messages to bytes for the line: adds the CRC, stuffs, delimits."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .frame import CRC, CRC_BYTES, END, ESCAPE, FLIP
from .serial_crc import SerialCrc

__all__ = ["Framer", "MessageByte"]

#: One byte of a header or payload; `last` ends the message.
MessageByte = data.StructLayout({"data": 8, "last": 1})


class Framer(Component):
    """Sends each message as a frame of `frame`: END, the stuffed message and its CRC, END.

    Latency: END is offered in the cycle in which a message is. One byte in 9 cycles on the line,
    two for one that has to be stuffed: a serial line is slower.

    Attributes
    ----------
    i : In(stream of `MessageByte`)
    o : Out(stream of 8 bits)
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(MessageByte)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc(CRC.algorithm)
        byte, special, second, sent = Signal(8), Signal(), Signal(), Signal()
        m.d.comb += [
            special.eq((byte == END) | (byte == ESCAPE)),
            # `byte` is through with its last, or only, byte on the line.
            sent.eq(self.o.valid & self.o.ready & (second | ~special)),
            crc.data.eq(self.i.payload.data),
        ]

        def stuffed() -> None:
            m.d.comb += self.o.payload.eq(Mux(second, byte ^ FLIP, Mux(special, ESCAPE, byte)))
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += second.eq(special & ~second)

        left, index = Signal(8 * CRC_BYTES), Signal(range(CRC_BYTES))
        with m.FSM():
            with m.State("BEGIN"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.o.payload.eq(END)]
                m.d.comb += crc.start.eq(1)
                with m.If(self.i.valid & self.o.ready):
                    m.next = "MESSAGE"
            with m.State("MESSAGE"):
                m.d.comb += byte.eq(self.i.payload.data)
                m.d.comb += self.o.valid.eq(self.i.valid & ~crc.busy)
                # Taken with the first byte on the line, which is known before there is a second.
                m.d.comb += crc.valid.eq(self.o.valid & self.o.ready & ~second)
                m.d.comb += self.i.ready.eq(sent)
                stuffed()
                with m.If(sent & self.i.payload.last):
                    m.next = "SUM"
            with m.State("SUM"):
                m.d.sync += [left.eq(crc.crc), index.eq(0)]
                with m.If(~crc.busy):
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += [byte.eq(left[:8]), self.o.valid.eq(1)]
                stuffed()
                with m.If(sent):
                    m.d.sync += [left.eq(left >> 8), index.eq(index + 1)]
                    with m.If(index == CRC_BYTES - 1):
                        m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(END)]
                with m.If(self.o.ready):
                    m.next = "BEGIN"
        return m
