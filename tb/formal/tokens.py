"""A legal program cannot deadlock: `Dispatch`, `Tokens` and three engines with any delays."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Array, Cat, Const, Fragment, Module, Mux, Signal, Value
from amaranth.lib import data

from lutra.hw.dispatch import Dispatch
from lutra.hw.isa import ENGINES, LAYOUTS, Engine, Opcode
from lutra.hw.tokens import Tokens

from .faults import Fault
from .harness import Harness, past, transfer
from .token_engines import AbstractEngine

__all__ = ["END", "PAIRS", "TokensHarness"]

#: One instruction of the program. `kind` is its engine, or `END`.
_INSTRUCTION = data.StructLayout({"kind": 2, "wait": 3, "signal": 3})
END = len(ENGINES)

#: Giver and taker of each kind of token.
PAIRS = [(giver, taker) for giver in ENGINES for taker in ENGINES if giver != taker]

#: Any opcode of an engine will do: the engines here know nothing but masks.
_OPCODES = {Engine.LOAD: Opcode.LOAD, Engine.COMPUTE: Opcode.LMMA, Engine.STORE: Opcode.STORE}


class TokensHarness(Harness):
    """Any legal program of at most `length` instructions, any delays.

    Legal is a program in which every token is given by an instruction that stands before the one
    that waits for it: before each instruction at least as many tokens are given, from each engine
    to each other, as are taken up to and with this instruction. No token goes to its giver.

    No deadlock: in any state that any delays have led to, if just now nobody delays, then
    something happens now: an instruction is taken by `Dispatch`, moves into a queue, is begun, or
    is completed; or the program is done. Each of these happens to each instruction only once,
    so that a program ends if no delay is forever.

    Parameters
    ----------
    length : int
        Most instructions before END, up to 6.
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
            Tokens, "present[taker][giver] = count", "present[giver][taker] = count", breaks="no_deadlock"
        ),
        "none needed": Fault(
            Tokens, "wait_ready.eq(lacking == 0)", "wait_ready.eq(1)",
            breaks="tokens_exist",
        ),
        "instruction lost": Fault(
            Dispatch, "gone.eq(able & queue.w_rdy)", "gone.eq(able)", breaks="no_deadlock"
        ),
    }  # fmt: skip

    def __init__(
        self, fault: str | None = None, *, length: int, depth: int, legal: bool = True
    ) -> None:
        super().__init__(fault)
        self._length = length
        self._depth = depth
        self._legal = legal
        self._bits = length.bit_length()

    def build(self, m: Module) -> None:
        self.dispatch = self.component(
            Dispatch, ("with m.If(unable):", "self.inner = locals()\n        with m.If(unable):")
        )(depth=self._depth, patience=8)
        counters = "present[taker][giver]"
        self.tokens = self.component(
            Tokens, (counters, f"self.__dict__.setdefault('counts', {{}})[giver, taker] = count\n            {counters}")
        )(bits=self._bits)
        # Elaborated here and now, so that claims can be made about signals within.
        m.submodules.dispatch = Fragment.get(self.dispatch, None)
        m.submodules.tokens = Fragment.get(self.tokens, None)
        self.program = [
            self.constant(_INSTRUCTION, name=f"instruction{i}") for i in range(self._length)
        ]
        self._assume_legal()
        offers = self._offer(m)

        self.engines = []
        free, events = [offers], [transfer(self.dispatch.instructions), self.dispatch.inner["gone"]]
        for engine in ENGINES:
            name = engine.name.lower()
            begins = self.anything(name=f"{name}_begins")
            completes = self.anything(name=f"{name}_completes")
            model = AbstractEngine(
                m, name, getattr(self.dispatch, name), getattr(self.tokens, name),
                begins=begins, completes=completes, two=self.constant(name=f"{name}_two"),
            )  # fmt: skip
            m.d.comb += [
                self.dispatch.idle[engine].eq(model.idle),
                self.dispatch.waiting[engine].eq(model.waiting),
            ]
            self.engines.append(model)
            free += [begins, completes]
            events += [model.began, model.completed]
        m.d.comb += self.dispatch.quiet.eq(1)

        done = self.dispatch.done
        self.claim("no_deadlock", ~Cat(free).all() | Cat(events).any() | done)
        self.claim("no_error", ~self.dispatch.error.valid & ~self.tokens.error.valid)
        self.claim("done", ~done | Cat(e.count == 0 for e in self.engines).all())
        self._claim_tokens_exist(m)

    def _assume_legal(self) -> None:
        given = {pair: Const(0, self._bits) for pair in PAIRS}
        taken = dict(given)
        running: Value = Const(1)
        for item in self.program:
            running = running & (item.kind != END)
            self.assume((item.kind != END) | ((item["wait"] | item.signal) == 0))
            for engine in ENGINES:
                self.assume((item.kind != engine) | ~(item["wait"] | item.signal)[engine])
            if not self._legal:
                continue
            for giver, taker in PAIRS:
                take = running & (item.kind == taker) & item["wait"][giver]
                taken[giver, taker] = (taken[giver, taker] + take)[: self._bits]
                self.assume(taken[giver, taker] <= given[giver, taker])
            for giver, taker in PAIRS:
                give = running & (item.kind == giver) & item.signal[taker]
                given[giver, taker] = (given[giver, taker] + give)[: self._bits]

    def _offer(self, m: Module) -> Value:
        """Offer the program in order, now and then; each instruction's address is its number."""
        offers = self.anything(name="offers")
        self.place = place = Signal(range(self._length + 2))
        end = _INSTRUCTION.const({"kind": END, "wait": 0, "signal": 0})
        current = Signal(_INSTRUCTION)
        source = self.dispatch.instructions
        header = LAYOUTS[Opcode.END](source.payload.bits)
        refused = past(m, source.valid & ~source.ready)
        m.d.comb += [
            current.eq(Array([*(p.as_value() for p in self.program), end])[place]),
            source.valid.eq((offers | refused) & (place <= self._length)),
            source.payload.address.eq(place),
            header.wait.eq(current["wait"]),
            header.signal.eq(current.signal),
            header.opcode.eq(Opcode.END),
        ]
        for engine, opcode in _OPCODES.items():
            with m.If(current.kind == engine):
                m.d.comb += header.opcode.eq(opcode)
        with m.If(transfer(source)):
            m.d.sync += place.eq(Mux(current.kind == END, self._length + 1, place + 1))
        return offers

    def _claim_tokens_exist(self, m: Module) -> None:
        """Nobody takes a token that was not given: engines are ordered as the program says."""
        self.there = {}
        for giver, taker in PAIRS:
            source, port = (getattr(self.tokens, e.name.lower()) for e in (giver, taker))
            name = f"{giver.name}_{taker.name}".lower()
            there = Signal(self._bits, name=f"there_{name}")
            gives = source.signal_valid & source.signal[taker]
            takes = port.wait_valid & port.wait_ready & port.wait[giver]
            m.d.sync += there.eq(there + gives - takes)
            self.claim(f"tokens_exist_{name}", ~takes | (there != 0))
            self.there[giver, taker] = there
