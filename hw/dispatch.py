"""Dispatch: gives each instruction to its engine, ends the program, notices deadlocks."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from .interfaces import ErrorReport, Instruction, InstructionStream
from .isa import ENGINES, LAYOUTS, ErrorCode, Opcode

__all__ = ["Dispatch"]


class Dispatch(Component):
    """Puts instructions, in their order, into the queues of the three engines.

    A full queue stops all that follows; programs keep the engines busy by interleaving their
    instructions. END waits until every queue is empty and every engine idle; then `done` is high.

    Errors, reported until reset: an unknown opcode, END with tokens (it belongs to no engine), a
    program that is exhausted without END (its address is one past the program), and deadlock:
    for `patience` successive cycles an instruction could not be dispatched, no engine did
    anything but wait for tokens, and nothing was outstanding on the memory port.

    Latency: an instruction reaches its engine 3 cycles after it was taken (2 with a depth of 1).
    One instruction every 2 cycles. With a depth of 0 nothing is kept here: an instruction is taken
    in the cycle in which its engine takes it.

    Parameters
    ----------
    depth : int
        Instructions in each queue, at least 0, the one that its engine sees included.
    patience : int
        Cycles until a deadlock is reported, at least 1. It must be longer than any pause of an
        engine that is about to give a token.

    Attributes
    ----------
    instructions : In(InstructionStream)
    exhausted : In(1)
        No instruction follows.
    load, compute, store : Out(InstructionStream)
        The queues' outputs, in the order of `Engine`.
    idle, waiting : In(3)
        Of the engines, in the same order.
    quiet : In(1)
        Nothing is outstanding on the memory port.
    done : Out(1)
    error : Out(ErrorReport)
    halt : In(1)

    Raises
    ------
    ValueError
        `depth` is less than 0, or `patience` less than 1.
    """

    def __init__(self, *, depth: int = 4, patience: int = 64) -> None:
        if not depth >= 0:
            raise ValueError(f"Depth must be at least 0, not {depth!r}")
        if not patience >= 1:
            raise ValueError(f"Patience must be at least 1, not {patience!r}")
        self._depth = depth
        self._patience = patience
        super().__init__(
            {
                "instructions": In(InstructionStream()),
                "exhausted": In(1),
                "load": Out(InstructionStream()),
                "compute": Out(InstructionStream()),
                "store": Out(InstructionStream()),
                "idle": In(3),
                "waiting": In(3),
                "quiet": In(1),
                "done": Out(1),
                "error": Out(ErrorReport()),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, held_valid = Signal(Instruction, reset_less=True), Signal()
        code = Signal(ErrorCode)
        gone, able = Signal(), Signal()
        if not self._depth:
            held, held_valid = self.instructions.payload, self.instructions.valid
        m.d.comb += [
            able.eq(held_valid & ~self.error.valid & ~self.halt),
            # Every other cycle: so nothing before this register has to know what comes after it.
            self.instructions.ready.eq(~held_valid if self._depth else gone),
        ]
        if self._depth:
            with m.If(gone):
                m.d.sync += held_valid.eq(0)
            with m.If(~held_valid):
                m.d.sync += [
                    held_valid.eq(self.instructions.valid),
                    held.eq(self.instructions.payload),
                ]

        queues, empty = [], []
        for engine in ENGINES:
            name = engine.name.lower()
            output = getattr(self, name)
            if not self._depth:
                m.d.comb += output.payload.eq(held)
                queues.append((output.valid, output.ready))
                continue
            shown, shown_valid = Signal(Instruction, name=name, reset_less=True), Signal()
            free = ~shown_valid | output.ready
            m.d.comb += [output.payload.eq(shown), output.valid.eq(shown_valid)]
            if self._depth > 1:
                m.submodules[name] = queue = SyncFIFO(width=Instruction.size, depth=self._depth - 1)
                m.d.comb += [queue.w_data.eq(held), queue.r_en.eq(free)]
                push, room = queue.w_en, queue.w_rdy
                following, following_valid = queue.r_data, queue.r_rdy
            else:
                push, room = Signal(name=f"{name}_push"), free
                following, following_valid = held, push
            with m.If(free):
                m.d.sync += [shown.eq(following), shown_valid.eq(following_valid)]
            queues.append((push, room))
            empty.append(~shown_valid & ~following_valid)

        # One cycle late; an engine that gets something is not idle from then on.
        idle, waiting, quiet = Signal(3), Signal(3), Signal()
        m.d.sync += [idle.eq(self.idle), waiting.eq(self.waiting), quiet.eq(self.quiet)]
        fields = LAYOUTS[Opcode.END](held.bits)
        at_rest = Signal()
        m.d.comb += at_rest.eq(idle.all() & Cat(empty).all())
        with m.Switch(fields.opcode):
            for opcode in Opcode:
                with m.Case(opcode):
                    if opcode.engine is None:
                        with m.If((fields.wait | fields.signal) != 0):
                            m.d.comb += code.eq(ErrorCode.ILLEGAL_FIELD)
                        with m.Else():
                            m.d.comb += self.done.eq(able & at_rest)
                    else:
                        push, room = queues[opcode.engine]
                        m.d.comb += [push.eq(able), gone.eq(able & room)]
            with m.Default():
                m.d.comb += code.eq(ErrorCode.ILLEGAL_OPCODE)

        stuck = Signal(range(self._patience + 1))
        unable = held_valid & ~gone & (idle | waiting).all() & ~at_rest & quiet
        m.d.sync += stuck.eq(0)
        with m.If(unable):
            m.d.sync += stuck.eq(stuck + 1)

        with m.If(~self.error.valid & ~self.halt):
            with m.If(held_valid & (code != ErrorCode.NONE)):
                m.d.sync += self._fail(code, held.address)
            with m.Elif(self.exhausted & ~held_valid):
                m.d.sync += self._fail(ErrorCode.NO_END, self.instructions.payload.address)
            with m.Elif(stuck == self._patience):
                m.d.sync += self._fail(ErrorCode.DEADLOCK, 0)
        return m

    def _fail(self, code, address):
        return [self.error.valid.eq(1), self.error.code.eq(code), self.error.address.eq(address)]
