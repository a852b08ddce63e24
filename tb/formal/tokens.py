"""A legal program cannot deadlock: `Dispatch`, `Tokens` and three engines with any delays."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Fragment, Module, Mux, Signal, Value
from amaranth.lib import data

from ...hw.dispatch import Dispatch
from ...hw.isa import ENGINES, LAYOUTS, Engine, Opcode
from ...hw.tokens import Tokens
from .faults import Fault
from .harness import Harness, transfer
from .token_engines import AbstractEngine

__all__ = ["OPCODES", "PAIRS", "TokensHarness"]

_END = len(ENGINES)

#: Giver and taker of each kind of token.
PAIRS = [(giver, taker) for giver in ENGINES for taker in ENGINES if giver != taker]

#: Any opcode of an engine will do: the engines here know nothing but masks.
OPCODES = {Engine.LOAD: Opcode.LOAD, Engine.COMPUTE: Opcode.LMMA, Engine.STORE: Opcode.STORE}

#: Cycles without delays in which something has to happen.
_PATIENCE = 4


class TokensHarness(Harness):
    """Any legal program, any delays of fetch and of the three engines.

    The solver invents the program as it goes. Legal is one in which every token is given by an
    instruction that stands before the one that waits for it: an instruction may wait for a token
    only if more were given than taken by those before it. No token goes to its giver, and
    not more than three tokens of a kind lie about in the order of the program.

    No deadlock: in any state that any delays have led to, if from now on nobody delays, then
    within four cycles an instruction is taken by `Dispatch`, begun or completed; or the
    program is done. Each of these happens to each instruction only once, so that a program
    ends if no delay is forever.

    Parameters
    ----------
    depth : int
        Of the queues of `Dispatch`, up to 2.
    length : int or None
        Most instructions before END; None for programs of any length.
    legal : bool
        False admits waiting for tokens that come later or never; then there are deadlocks.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "token lost": Fault(
            Tokens, "with m.If(take & ~give):", "with m.If(take):", breaks="no_deadlock"
        ),
        "token to the wrong side": Fault(
            Tokens, "present[taker][giver] =", "present[giver][taker] =",
            breaks="no_deadlock",
        ),
        "one token too many": Fault(
            Tokens, "count.eq(count + 1)", "count.eq(count + 2)",
            breaks="tokens_exist",
        ),
        "none needed": Fault(
            Tokens, "wait_ready.eq(lacking == 0)", "wait_ready.eq(1)", breaks="tokens_exist"
        ),
        "instruction lost": Fault(
            Dispatch, "gone.eq(able & room)", "gone.eq(able)", breaks="no_deadlock"
        ),
    }  # fmt: skip

    #: Changes to the sources of both that make what is within visible to a subclass.
    exposing: ClassVar[dict[type, tuple[tuple[str, str], ...]]] = {Dispatch: (), Tokens: ()}

    def __init__(
        self,
        fault: str | None = None,
        *,
        depth: int,
        length: int | None = None,
        legal: bool = True,
    ) -> None:
        super().__init__(fault)
        self._depth = depth
        self._length = length
        self._legal = legal

    def build(self, m: Module) -> None:
        classes = [self.component(cls, *changes) for cls, changes in self.exposing.items()]
        self.dispatch = dispatch = classes[0](depth=self._depth, patience=8)
        self.tokens = tokens = classes[1](bits=3)
        # Elaborated here and now, so that claims can be made about signals within.
        m.submodules.dispatch = Fragment.get(dispatch, None)
        m.submodules.tokens = Fragment.get(tokens, None)
        offers = self._offer(m, dispatch.instructions)
        self.engines: list[AbstractEngine] = []
        engines = self.engines
        free, events = [offers], [transfer(dispatch.instructions)]
        for engine in ENGINES:
            name = engine.name.lower()
            begins = self.anything(name=f"{name}_begins")
            completes = self.anything(name=f"{name}_completes")
            model = AbstractEngine(
                m, name, getattr(dispatch, name), getattr(tokens, name),
                begins=begins, completes=completes, two=self.constant(name=f"{name}_two"),
            )  # fmt: skip
            m.d.comb += [
                dispatch.idle[engine].eq(model.idle),
                dispatch.waiting[engine].eq(model.waiting),
            ]
            engines.append(model)
            free += [begins, completes]
            events += [model.began, model.completed]
        m.d.comb += dispatch.quiet.eq(1)

        self.quiet = quiet = Signal(range(_PATIENCE + 2), name="quiet")
        nothing = Cat(free).all() & ~Cat(events).any() & ~dispatch.done
        m.d.sync += quiet.eq(Mux(nothing, quiet + 1, 0))
        self.claim("no_deadlock", ~nothing | (quiet < _PATIENCE))
        self.claim("no_error", ~dispatch.error.valid & ~tokens.error.valid)
        self.claim("done", ~dispatch.done | Cat(e.count == 0 for e in engines).all())
        self._claim_tokens_exist(m, tokens)

    def _offer(self, m: Module, source) -> Value:
        """Offer the program in order, now and then."""
        offers = self.anything(name="offers")
        item = self.anything(data.StructLayout({"kind": 2, "wait": 3, "signal": 3}), name="item")
        header = LAYOUTS[Opcode.END](source.payload.bits)
        self.ended = ended = Signal(name="ended")
        m.d.comb += [
            source.valid.eq(offers & ~ended),
            header.wait.eq(item["wait"]),
            header.signal.eq(item.signal),
            header.opcode.eq(Opcode.END),
        ]
        for engine, opcode in OPCODES.items():
            with m.If(item.kind == engine):
                m.d.comb += header.opcode.eq(opcode)
                self.assume(~(item["wait"] | item.signal)[engine] | (item.kind != engine))
        taken = transfer(source)
        with m.If(taken & (item.kind == _END)):
            m.d.sync += ended.eq(1)
        self.assume((item.kind != _END) | ((item["wait"] | item.signal) == 0))
        if self._length is not None:
            number = Signal(range(self._length + 2), name="number")
            m.d.sync += number.eq(number + (taken & (item.kind != _END)))
            self.assume((number < self._length) | (item.kind == _END))

        self.open = {}
        for giver, taker in PAIRS:
            self.open[giver, taker] = open_ = Signal(
                2, name=f"open_{giver.name}_{taker.name}".lower()
            )
            gives = (item.kind == giver) & item.signal[taker]
            takes = (item.kind == taker) & item["wait"][giver]
            self.assume(~gives | (open_ != 3))
            if self._legal:
                self.assume(~takes | (open_ != 0))
            with m.If(taken):
                m.d.sync += open_.eq(open_ + gives - (takes & (open_ != 0)))
        return offers

    def _claim_tokens_exist(self, m: Module, tokens: Tokens) -> None:
        """Nobody takes a token that was not given: engines are ordered as the program says."""
        self.there = {}
        for giver, taker in PAIRS:
            source, port = (getattr(tokens, e.name.lower()) for e in (giver, taker))
            name = f"{giver.name}_{taker.name}".lower()
            self.there[giver, taker] = there = Signal(3, name=f"there_{name}")
            gives = source.signal_valid & source.signal[taker]
            takes = port.wait_valid & port.wait_ready & port.wait[giver]
            m.d.sync += there.eq(there + gives - takes)
            self.claim(f"tokens_exist_{name}", ~takes | (there != 0))
