# amaranth: UnusedElaboratable=no
"""The whole link: a serial line on one side, control port and memory on the other."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ...hw.axi import AxiLite
from .lite_master import LiteMaster
from .responder import Responder
from .uart import UartReceiver, UartTransmitter
from .word_port import WordPort

__all__ = ["Link"]


class Link(Component):
    """Answers the requests of a host (`frame`) that come in on `rx`, on `tx`.

    Parameters
    ----------
    divisor : int
        Clock cycles of one bit on the line, at least 5.
    memory_bytes : int
        Size of the memory behind `memory`.
    clock_hz : int
        Nominal clock; the host turns cycles into seconds with it.
    buffer_bytes : int
        Room for received frames, a power of two from 64 on. One payload takes up to a quarter.
    register_bits : int
        Width of a byte address on the control port.

    Attributes
    ----------
    rx : In(1)
    tx : Out(1)
    registers : Out(AxiLite)
        Master of the core's control port.
    memory : Out(WordPort)

    Raises
    ------
    TypeError, ValueError
        A parameter is outside its range.
    """

    def __init__(
        self,
        *,
        divisor: int,
        memory_bytes: int,
        clock_hz: int,
        buffer_bytes: int = 2048,
        register_bits: int = 12,
    ) -> None:
        self._receiver = UartReceiver(divisor)
        self._transmitter = UartTransmitter(divisor)
        self._responder = Responder(
            memory_bytes=memory_bytes, clock_hz=clock_hz, buffer_bytes=buffer_bytes
        )
        self._master = LiteMaster(register_bits)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "registers": Out(AxiLite(register_bits)),
                "memory": Out(WordPort()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = self._receiver
        m.submodules.transmitter = transmitter = self._transmitter
        m.submodules.responder = responder = self._responder
        m.submodules.master = master = self._master
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        connect(m, receiver.o, responder.i)
        connect(m, responder.o, transmitter.i)
        connect(m, responder.registers, master.port)
        connect(m, master.bus, flipped(self.registers))
        connect(m, responder.memory, flipped(self.memory))
        return m
