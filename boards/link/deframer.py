"""From received bytes to frames: finds their ends, undoes the stuffing, checks the CRC."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from .frame import CRC, CRC_BYTES, END, ESCAPE, FLIP, HEADER_BYTES
from .serial_crc import SerialCrc

__all__ = ["Deframer"]


class Deframer(Component):
    """Undoes the stuffing of `frame` and tells a `PacketBuffer` what to keep.

    A frame is good if it has at least a header and a CRC, the CRC is right, and it does not
    end within an escape. Nothing between two ENDs is no frame.

    Latency: a byte is pushed one cycle after it came; the verdict follows END by one cycle. Bytes
    may come every tenth cycle.

    Attributes
    ----------
    i : In(stream of 8 bits, always ready)
    data : Out(8)
    push, commit, reject : Out(1)
        As `PacketBuffer` takes them.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "data": Out(8),
                "push": Out(1),
                "commit": Out(1),
                "reject": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc(CRC.algorithm)
        least = HEADER_BYTES + CRC_BYTES
        byte, escaped, ended = self.i.payload, Signal(), Signal()
        count = Signal(range(least + 1))  # bytes of the frame, up to the least it needs
        m.d.sync += [self.push.eq(0), ended.eq(0)]
        with m.If(self.i.valid):
            with m.If(byte == END):
                m.d.sync += ended.eq(1)
            with m.Elif(byte == ESCAPE):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.sync += [self.push.eq(1), escaped.eq(0)]
                m.d.sync += self.data.eq(Mux(escaped, byte ^ FLIP, byte))
        m.d.comb += [crc.data.eq(self.data), crc.valid.eq(self.push)]
        with m.If(self.push & (count != least)):
            m.d.sync += count.eq(count + 1)
        with m.If(ended):
            m.d.comb += [
                crc.start.eq(1),
                self.commit.eq((count == least) & crc.match & ~escaped),
                self.reject.eq(((count != 0) | escaped) & ~self.commit),
            ]
            m.d.sync += [count.eq(0), escaped.eq(0)]
        return m
