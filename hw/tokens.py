"""The dependency tokens that order the three engines."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from .interfaces import ErrorReport, TokenPort
from .isa import ENGINES, Engine, ErrorCode

__all__ = ["Tokens"]


class Tokens(Component):
    """One counter for each ordered pair of engines: tokens given and not yet taken.

    An engine that waits takes one token from each engine of its mask, all of them in one cycle or
    none. A token given in one cycle can be taken in the next. Tokens to or from oneself do not
    exist (the engines refuse such instructions); their bits are ignored.

    `error` reports `ErrorCode.TOKEN_OVERFLOW` when a token is given to a full counter, from
    the next cycle until reset.

    The scheme is that of VTA's dependency queues (Moreau et al., "VTA: An Open Hardware-Software
    Stack for Deep Learning", 2018).

    Parameters
    ----------
    bits : int
        Width of a counter, 1 to 16.

    Attributes
    ----------
    load, compute, store : In(TokenPort)
        One port for each engine, in the order of `Engine`.
    error : Out(ErrorReport)

    Raises
    ------
    TypeError, ValueError
        `bits` is no integer, or outside this range.
    """

    def __init__(self, bits: int = 8) -> None:
        if not isinstance(bits, int) or isinstance(bits, bool):
            raise TypeError(f"Bits must be an integer, not {bits!r}")
        if not 1 <= bits <= 16:
            raise ValueError(f"Bits must be from 1 to 16, not {bits!r}")
        self._bits = bits
        super().__init__(
            {
                "load": In(TokenPort()),
                "compute": In(TokenPort()),
                "store": In(TokenPort()),
                "error": Out(ErrorReport()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = {engine: getattr(self, engine.name.lower()) for engine in ENGINES}
        present = {engine: [Const(1)] * len(ENGINES) for engine in ENGINES}
        overflow = []
        for giver, taker in [(g, t) for g in ENGINES for t in ENGINES if g != t]:
            name = f"{giver.name}_to_{taker.name}".lower()
            count = Signal(self._bits, name=name)
            give, take = Signal(name=f"{name}_give"), Signal(name=f"{name}_take")
            port = ports[taker]
            m.d.comb += [
                give.eq(ports[giver].signal_valid & ports[giver].signal[taker]),
                take.eq(port.wait_valid & port.wait_ready & port.wait[giver]),
            ]
            # Whether there are any is known before anyone asks.
            some, only_one = Signal(name=f"{name}_some"), count == 1
            with m.If(give & ~take):
                m.d.sync += [count.eq(count + 1), some.eq(1)]
            with m.If(take & ~give):
                m.d.sync += [count.eq(count - 1), some.eq(~only_one)]
            present[taker][giver] = some
            overflow.append(give & ~take & count.all())
        for engine in ENGINES:
            lacking = ports[engine].wait & ~Cat(*present[Engine(engine)])
            m.d.comb += ports[engine].wait_ready.eq(lacking == 0)
        m.d.comb += self.error.code.eq(ErrorCode.TOKEN_OVERFLOW)
        # One register for each counter: all of them together would be known too late.
        overflowed = Signal(len(overflow))
        for pair, over in enumerate(overflow):
            with m.If(over):
                m.d.sync += overflowed[pair].eq(1)
        m.d.comb += self.error.valid.eq(overflowed.any())
        return m
