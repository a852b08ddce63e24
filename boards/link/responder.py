# amaranth: UnusedElaboratable=no
"""The link without its line: bytes of requests in, bytes of replies out."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .deframer import Deframer
from .executor import Executor
from .frame import CRC_BYTES
from .framer import Framer, MessageByte
from .packet_buffer import PacketBuffer
from .stream_register import StreamRegister
from .word_port import WordPort

__all__ = ["Responder"]


class Responder(Component):
    """Everything between two byte streams and the two things that the host accesses.

    Any full-duplex byte stream will do as a line. Bytes may come in every second cycle; those that
    find no room belong to frames which the host will repeat.

    Parameters
    ----------
    memory_bytes, clock_hz : int
        As of `Executor`.
    buffer_bytes : int
        Room for received frames, a power of two from 64 to 65536.

    Attributes
    ----------
    i : In(stream of 8 bits, always ready)
    o : Out(stream of 8 bits)
    registers, memory : Out(WordPort)

    Raises
    ------
    ValueError
        A parameter is outside its range.
    """

    def __init__(self, *, memory_bytes: int, clock_hz: int, buffer_bytes: int = 2048) -> None:
        self._buffer = PacketBuffer(buffer_bytes, tail=CRC_BYTES)
        self._executor = Executor(
            memory_bytes=memory_bytes, clock_hz=clock_hz, buffer_bytes=buffer_bytes
        )
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "o": Out(stream.Signature(8)),
                "registers": Out(WordPort()),
                "memory": Out(WordPort()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.deframer = deframer = Deframer()
        m.submodules.buffer = buffer = self._buffer
        m.submodules.executor = executor = self._executor
        m.submodules.framer = framer = Framer()
        connect(m, flipped(self.i), deframer.i)
        m.d.comb += [
            buffer.data.eq(deframer.data),
            buffer.push.eq(deframer.push),
            buffer.commit.eq(deframer.commit),
            buffer.reject.eq(deframer.reject),
            executor.damaged.eq(deframer.reject),
            executor.overflow.eq(buffer.overflow),
        ]
        connect(m, buffer.frames, executor.frames)
        connect(m, buffer.bytes, executor.bytes)
        # Registers between what decides slowly: a serial line has many cycles for each byte.
        m.submodules.reply = reply = StreamRegister(MessageByte)
        m.submodules.line = line = StreamRegister(8)
        connect(m, executor.reply, reply.i)
        connect(m, reply.o, framer.i)
        connect(m, framer.o, line.i)
        connect(m, line.o, flipped(self.o))
        connect(m, executor.registers, flipped(self.registers))
        connect(m, executor.memory, flipped(self.memory))
        return m
