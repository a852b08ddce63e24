"""A legal program cannot deadlock: `Dispatch`, `Tokens` and three engines with any delays."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data

from lutra.hw.dispatch import Dispatch
from lutra.hw.isa import ENGINES, LAYOUTS, Engine, Opcode
from lutra.hw.tokens import Tokens

from .faults import Fault
from .harness import Harness, transfer

__all__ = ["TokensHarness"]

#: One instruction of the program. `kind` is the engine, or `_END`.
_INSTRUCTION = data.StructLayout({"kind": 2, "wait": 3, "signal": 3})
_END = len(ENGINES)

#: Any opcode of an engine will do, the engines here only know masks.
_OPCODES = {Engine.LOAD: Opcode.LOAD, Engine.COMPUTE: Opcode.LMMA, Engine.STORE: Opcode.STORE}

#: Cycles without any event after which a program that could go on would have gone on.
_PATIENCE = 4


class TokensHarness(Harness):
    """Any legal program of `length` instructions at most, any delays.

    The engines are abstract: each takes its instructions in order, begins one when it gets the
    tokens it waits for, has one or two in work (LOAD and STORE issue ahead), and completes them in
    order, giving their tokens. When they begin, and when they complete, is the solver's choice.

    Legal is a program in which every token is given by an instruction that stands before the one
    that waits for it: before each instruction at least as many tokens are given, from each engine
    to each other, as are taken up to and with this instruction. No token goes to its giver.

    No deadlock: in any state that any delays lead to, as soon as nobody delays any more, something
    happens within `_PATIENCE` cycles, until the program is done. As a program has an end, so
    has what can happen.

    Parameters
    ----------
    length : int
        Most instructions before END.
    depth : int
        Of the queues of `Dispatch`.
    legal : bool
        False admits all programs; then there are deadlocks.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "token lost": Fault(
            Tokens, "with m.If(take & ~give):", "with m.If(take):", breaks="no_deadlock"
        ),
        "wrong side": Fault(
            Tokens, "present[taker][giver] = ", "present[giver][taker] = ", breaks="no_deadlock"
        ),
        "some suffice": Fault(
            Tokens, "wait_ready.eq(lacking == 0)", "wait_ready.eq(~lacking.all())",
            breaks="tokens_exist",
        ),
        "instruction lost": Fault(
            Dispatch, "ready.eq(~held_valid | gone)", "ready.eq(1)", breaks="no_deadlock"
        ),
    }  # fmt: skip

    def __init__(
        self, fault: str | None = None, *, length: int, depth: int, legal: bool = True
    ) -> None:
        super().__init__(fault)
        self._length = length
        self._depth = depth
        self._legal = legal

    def build(self, m: Module) -> None:
        m.submodules.dispatch = dispatch = self.component(Dispatch)(depth=self._depth, patience=8)
        m.submodules.tokens = tokens = self.component(Tokens)(bits=self._length.bit_length())
        program = [
            self.constant(_INSTRUCTION, name=f"instruction{i}") for i in range(self._length)
        ]
        self._assume_legal(program)

        # The program is offered in order, now and then.
        offers = self.anything(name="offers")
        place = Signal(range(self._length + 2))
        end = _INSTRUCTION.const({"kind": _END, "wait": 0, "signal": 0})
        current = Signal(_INSTRUCTION)
        m.d.comb += current.eq(Array([*(p.as_value() for p in program), end])[place])
        source = dispatch.instructions
        header = LAYOUTS[Opcode.END](source.payload.bits)
        m.d.comb += source.valid.eq((offers | past_refused(m, source)) & (place <= self._length))
        m.d.comb += [header.wait.eq(current["wait"]), header.signal.eq(current.signal)]
        with m.Switch(current.kind):
            for engine, opcode in _OPCODES.items():
                with m.Case(engine):
                    m.d.comb += header.opcode.eq(opcode)
            with m.Default():
                m.d.comb += header.opcode.eq(Opcode.END)
        with m.If(transfer(source)):
            m.d.sync += place.eq(Mux(current.kind == _END, self._length + 1, place + 1))

        events = [transfer(source)]
        free = [offers]
        empty = []
        for engine in ENGINES:
            name = engine.name.lower()
            begins, completes = (
                self.anything(name=f"{name}_{what}") for what in ("begins", "completes")
            )
            model = _EngineModel(
                m,
                name,
                getattr(dispatch, name),
                getattr(tokens, name),
                begins,
                completes,
                self.constant(name=f"{name}_two"),
            )
            free += [begins, completes]
            events += [model.began, model.completed]
            empty.append(model.empty)
            m.d.comb += [dispatch.idle[engine].eq(model.idle)]
            m.d.comb += [dispatch.waiting[engine].eq(model.waiting)]
        m.d.comb += dispatch.quiet.eq(1)

        self._claim_tokens_exist(m, tokens)
        waited = Signal(range(_PATIENCE + 2))
        with m.If(~Cat(free).all() | Cat(events).any() | dispatch.done):
            m.d.sync += waited.eq(0)
        with m.Elif(waited <= _PATIENCE):
            m.d.sync += waited.eq(waited + 1)
        self.claim("no_deadlock", waited <= _PATIENCE)
        self.claim("no_error", ~dispatch.error.valid & ~tokens.error.valid)
        self.claim("done", ~dispatch.done | Cat(empty).all())

    def _assume_legal(self, program: list) -> None:
        bits = self._length.bit_length()
        given = {(g, t): Const(0, bits) for g in ENGINES for t in ENGINES if g != t}
        taken = dict(given)
        running = 1
        for item in program:
            running = running & (item.kind != _END)
            self.assume((item.kind != _END) | ((item["wait"] | item.signal) == 0))
            for engine in ENGINES:
                is_it = running & (item.kind == engine)
                self.assume(~is_it | ~(item["wait"][engine] | item.signal[engine]))
                if not self._legal:
                    continue
                for other in ENGINES:
                    if other == engine:
                        continue
                    sum_ = taken[other, engine] + (is_it & item["wait"][other])
                    taken[other, engine] = sum_[:bits]
                    self.assume(taken[other, engine] <= given[other, engine])
                for other in ENGINES:
                    if other != engine:
                        sum_ = given[engine, other] + (is_it & item.signal[other])
                        given[engine, other] = sum_[:bits]

    def _claim_tokens_exist(self, m: Module, tokens: Tokens) -> None:
        """Nobody takes a token that was not given: engines are ordered as the program says."""
        for giver in ENGINES:
            for taker in ENGINES:
                if giver == taker:
                    continue
                source, port = (getattr(tokens, e.name.lower()) for e in (giver, taker))
                name = f"{giver.name}_{taker.name}".lower()
                there = Signal(self._length.bit_length(), name=f"there_{name}")
                gives = source.signal_valid & source.signal[taker]
                takes = port.wait_valid & port.wait_ready & port.wait[giver]
                m.d.sync += there.eq(there + gives - takes)
                self.claim(f"tokens_exist_{name}", ~takes | (there != 0))


def past_refused(m: Module, source) -> Signal:
    """What was refused stays offered."""
    refused = Signal()
    m.d.sync += refused.eq(source.valid & ~source.ready)
    return refused


class _EngineModel:
    """An engine that knows nothing but tokens and the order of its instructions."""

    def __init__(self, m: Module, name: str, source, port, begins, completes, two) -> None:
        header = LAYOUTS[Opcode.END](source.payload.bits)
        count = Signal(range(3), name=f"{name}_count")
        oldest, newest = (Signal(3, name=f"{name}_{age}") for age in ("oldest", "newest"))
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
        self.empty = count == 0
        self.idle = ~source.valid & self.empty
        self.waiting = self.empty & port.wait_valid & ~port.wait_ready
        m.d.sync += count.eq(count + self.began - self.completed)
        with m.If(self.completed):
            m.d.sync += oldest.eq(newest)
        with m.If(self.began):
            with m.If((count == 0) | (self.completed & (count == 1))):
                m.d.sync += oldest.eq(header.signal)
            with m.Else():
                m.d.sync += newest.eq(header.signal)
