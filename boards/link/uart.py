"""Asynchronous serial line, 8N1: receiver and transmitter."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component, In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

#: A byte is a start bit (0), eight data bits from the lowest on, and a stop bit (1).
_BITS = 10


def _check_divisor(divisor: int) -> int:
    if not isinstance(divisor, int) or isinstance(divisor, bool):
        raise TypeError(f"Divisor must be an integer, not {divisor!r}")
    if not 5 <= divisor <= 65535:
        raise ValueError(f"Divisor must be from 5 to 65535, not {divisor!r}")
    return divisor


class UartReceiver(Component):
    """Receives bytes; each bit is the majority of three samples around its middle.

    A start bit that is high in its middle was a glitch. Where the stop bit is low the byte is
    dropped, and nothing is received before the line has been high again (a break, a wrong rate).

    Latency: a byte is given about 9.5 bits after its start, and 3 cycles.

    Parameters
    ----------
    divisor : int
        Clock cycles of one bit, 5 to 65535.

    Attributes
    ----------
    rx : In(1)
        The pin; may change at any time.
    o : Out(stream of 8 bits, always ready)

    Raises
    ------
    TypeError, ValueError
        `divisor` is no integer, or outside its range.
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)

        middle, spread = self._divisor // 2, max(1, self._divisor // 8)
        timer = Signal(range(self._divisor))  # cycles into the bit
        index = Signal(range(_BITS))
        ones = Signal(2)  # samples of this bit that were 1
        bit, sampled, decided = Signal(), Signal(), Signal()
        m.d.comb += [
            sampled.eq((timer == middle - spread) | (timer == middle) | (timer == middle + spread)),
            decided.eq(timer == middle + spread + 1),
            bit.eq(ones[1]),
        ]
        m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [timer.eq(1), index.eq(0), ones.eq(0)]
                with m.If(~line):
                    m.next = "BITS"
            with m.State("BITS"):
                m.d.sync += timer.eq(timer + 1)
                with m.If(sampled):
                    m.d.sync += ones.eq(ones + line)
                with m.If(timer == self._divisor - 1):
                    m.d.sync += [timer.eq(0), index.eq(index + 1), ones.eq(0)]
                with m.If(decided & (index == 0) & bit):
                    m.next = "IDLE"
                # For the stop bit two samples have to do, so that a faster sender is followed.
                with m.If((index == _BITS - 1) & (timer == middle)):
                    m.d.sync += self.o.valid.eq(line | (ones != 0))
                    m.next = "IDLE"
                    with m.If(~line & (ones == 0)):
                        m.next = "BREAK"
                with m.Elif(decided):  # the start bit leaves at the far end
                    m.d.sync += self.o.payload.eq(Cat(self.o.payload[1:], bit))
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(Component):
    """Sends bytes, back to back while there are any.

    Latency: the start bit begins one cycle after a byte was taken; a byte takes ten bits.

    Parameters
    ----------
    divisor : int
        Clock cycles of one bit, 5 to 65535.

    Attributes
    ----------
    i : In(stream of 8 bits)
    tx : Out(1)
        The pin, high at rest; comes from a register.

    Raises
    ------
    TypeError, ValueError
        `divisor` is no integer, or outside its range.
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(_BITS + 1))  # bits, the one on the line included
        rest = Signal(_BITS - 1)  # what follows the bit on the line
        m.d.comb += self.i.ready.eq((timer == 0) & (left <= 1))
        m.d.sync += timer.eq(Mux(timer == 0, 0, timer - 1))
        with m.If(timer == 0):
            with m.If(self.i.ready):
                m.d.sync += left.eq(0)
                with m.If(self.i.valid):
                    m.d.sync += [
                        left.eq(_BITS),
                        self.tx.eq(0),
                        rest.eq(Cat(self.i.payload, 1)),
                        timer.eq(self._divisor - 1),
                    ]
            with m.Else():
                m.d.sync += [
                    left.eq(left - 1),
                    self.tx.eq(rest[0]),
                    rest.eq(rest >> 1),
                    timer.eq(self._divisor - 1),
                ]
        return m
