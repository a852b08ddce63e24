"""What the engines are to the tokens: in order, with any delays, and nothing else."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from ...hw.isa import LAYOUTS, Opcode
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
    source : InstructionStream
    header : View
        Of the instruction that `source` offers.
    count, oldest, newest : Signal
        Instructions in work, and the signal masks of these two.
    idle, waiting : Value
        As in `EngineSignature`.
    """

    def __init__(
        self, m: Module, name: str, source, port, *, begins: Value, completes: Value, two: Value
    ) -> None:
        self.source = source
        self.header = header = LAYOUTS[Opcode.END](source.payload.bits)
        self.count = count = Signal(range(3), name=f"{name}_count")
        self.oldest, self.newest = (Signal(3, name=f"{name}_{age}") for age in ("oldest", "newest"))
        oldest, newest = self.oldest, self.newest
        room = (count == 0) | (two & (count == 1))
        m.d.comb += [
            port.wait.eq(header.wait),
            port.wait_valid.eq(source.valid & begins & room),
            source.ready.eq(port.wait_valid & port.wait_ready),
            port.signal_valid.eq(completes & (count != 0)),
            port.signal.eq(oldest),
        ]
        self.began = transfer(source)
        self.completed = port.signal_valid
        self.idle = ~source.valid & (count == 0)
        self.waiting = (count == 0) & port.wait_valid & ~port.wait_ready
        m.d.sync += count.eq(count + self.began - self.completed)
        with m.If(self.completed):
            m.d.sync += oldest.eq(newest)
        with m.If(self.began):
            with m.If((count == 0) | (self.completed & (count == 1))):
                m.d.sync += oldest.eq(header.signal)
            with m.Else():
                m.d.sync += newest.eq(header.signal)
