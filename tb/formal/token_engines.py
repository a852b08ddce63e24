"""What the engines are to the tokens: in order, with any delays, and nothing else."""

from __future__ import annotations

from amaranth.hdl import Module, Signal

from lutra.hw.isa import LAYOUTS, Opcode

from .harness import transfer

__all__ = ["AbstractEngine"]


class AbstractEngine:
    """An engine that knows nothing but tokens and the order of its instructions.

    It begins its next instruction when that one's tokens are there and `begins` is high, and
    completes its oldest one, giving its tokens, when `completes` is high. Up to two (one, unless
    `two`) are in work, because LOAD and STORE issue ahead.

    Parameters
    ----------
    source : InstructionStream
        From the queue of `Dispatch`.
    port : TokenPort
    begins, completes, two : Value

    Attributes
    ----------
    began, completed : Value
        These happen in this cycle.
    count : Signal
        Instructions in work.
    oldest, newest, oldest_origin, newest_origin : Signal
        Signal masks of the two, and the addresses they came from.
    idle, waiting : Value
        As in `EngineSignature`.
    """

    def __init__(self, m: Module, name: str, source, port, *, begins, completes, two) -> None:
        self.source = source
        self.header = header = LAYOUTS[Opcode.END](source.payload.bits)
        self.origin = origin = source.payload.address[:3]
        self.count = count = Signal(range(3), name=f"{name}_count")
        self.oldest, self.newest = (Signal(3, name=f"{name}_{age}") for age in ("oldest", "newest"))
        self.oldest_origin, self.newest_origin = (
            Signal(3, name=f"{name}_{age}_origin") for age in ("oldest", "newest")
        )
        room = (count == 0) | (two & (count == 1))
        m.d.comb += [
            port.wait.eq(header.wait),
            port.wait_valid.eq(source.valid & begins & room),
            source.ready.eq(port.wait_valid & port.wait_ready),
            port.signal_valid.eq(completes & (count != 0)),
            port.signal.eq(self.oldest),
        ]
        self.began = transfer(source)
        self.completed = port.signal_valid
        self.idle = ~source.valid & (count == 0)
        self.waiting = (count == 0) & port.wait_valid & ~port.wait_ready
        m.d.sync += count.eq(count + self.began - self.completed)
        with m.If(self.completed):
            m.d.sync += [self.oldest.eq(self.newest), self.oldest_origin.eq(self.newest_origin)]
        with m.If(self.began):
            with m.If((count == 0) | (self.completed & (count == 1))):
                m.d.sync += [self.oldest.eq(header.signal), self.oldest_origin.eq(origin)]
            with m.Else():
                m.d.sync += [self.newest.eq(header.signal), self.newest_origin.eq(origin)]
