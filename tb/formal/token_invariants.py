"""Why a legal program cannot deadlock: what holds in every state, however long it runs."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value

from lutra.hw.isa import ENGINES, LAYOUTS, Opcode

from .tokens import END, PAIRS, TokensHarness

__all__ = ["TokenInvariantsHarness"]


class TokenInvariantsHarness(TokensHarness):
    """`TokensHarness` for queues of one instruction, with the facts that make it inductive.

    Each instruction is in one place: not yet taken, held by `Dispatch`, in its engine's queue,
    begun, or completed; those of one engine in the order of the program. A counter of tokens
    is what completed instructions have given less what begun ones have taken. That is so in any
    state that follows one in which it was so; and in any such state the oldest instruction not
    begun finds its tokens, once the older ones are completed. Hence no bound on the cycles, only
    one on the program's length.
    """

    def __init__(self, fault: str | None = None, *, length: int, legal: bool = True) -> None:
        super().__init__(fault, length=length, depth=1, legal=legal)

    def build(self, m: Module) -> None:
        super().build(m)
        self._begun, self._completed = Signal(self._length), Signal(self._length)
        for model in self.engines:
            with m.If(model.began):
                m.d.sync += self._begun.bit_select(model.origin, 1).eq(1)
            with m.If(model.completed):
                m.d.sync += self._completed.bit_select(model.oldest_origin, 1).eq(1)
        self._claim_held()
        for i in range(self._length):
            self._claim_one_place(i)
        for engine in ENGINES:
            self._claim_order(engine)
        self._claim_counters()

    def _claim_held(self) -> None:
        inner, last = self.dispatch.inner, self._length + 1
        held, self._held_valid = inner["held"], inner["held_valid"]
        self._held_origin = origin = held.address[:3]
        header = LAYOUTS[Opcode.END](held.bits)
        is_end = self._kind(origin) == END
        follows = Mux(is_end, self.place == last, self.place == origin + 1)
        self.claim(
            "held", ~self._held_valid | (follows & self._matches(header, origin, with_opcode=True))
        )
        self.claim("held_end", (self.place != last) | (self._held_valid & is_end))
        self.claim("place", self.place <= last)
        self.claim("never_stuck", inner["stuck"] == 0)
        # Instructions before this one have been taken by Dispatch.
        self._taken = Mux(self.place == last, origin, self.place)

    def _claim_one_place(self, i: int) -> None:
        item, begun = self.program[i], self._begun[i]
        queued, working = Const(0), Const(0)
        for engine, model in zip(ENGINES, self.engines, strict=True):
            mine = item.kind == engine
            queued |= mine & model.source.valid & (model.origin == i)
            working |= mine & (model.count != 0) & (model.oldest_origin == i)
            working |= mine & (model.count == 2) & (model.newest_origin == i)
        held = self._held_valid & (self._held_origin == i)
        taken = i < self._taken
        self.claim(f"taken_{i}", ~taken | ((item.kind != END) & (begun | queued | held)))
        self.claim(f"not_taken_{i}", taken | ~begun)
        self.claim(f"not_begun_{i}", ~begun | ~(queued | held))
        self.claim(f"not_twice_{i}", ~(queued & held))
        self.claim(f"working_{i}", ~(begun & ~self._completed[i]) | working)
        self.claim(f"completed_{i}", begun | ~self._completed[i])
        for j in range(i):
            same = self.program[j].kind == item.kind
            self.claim(f"begun_{j}_before_{i}", ~(same & begun) | self._begun[j])
            in_order = ~(same & self._completed[i]) | self._completed[j]
            self.claim(f"completed_{j}_before_{i}", in_order)

    def _claim_order(self, engine: int) -> None:
        model = self.engines[engine]
        origins = {
            "queue": (model.source.valid, model.origin, model.header.signal),
            "oldest": (model.count != 0, model.oldest_origin, model.oldest),
            "newest": (model.count == 2, model.newest_origin, model.newest),
        }
        for name, (valid, origin, signal) in origins.items():
            done = self._completed if name == "oldest" else self._begun
            earlier = [
                (i >= origin) | (item.kind != engine) | done[i]
                for i, item in enumerate(self.program)
            ]
            right = (self._kind(origin) == engine) & (origin < self._taken)
            right &= self._field("signal", origin) == signal
            if name == "queue":
                right &= self._matches(model.header, origin)
            else:
                right &= Array(self._begun & ~self._completed)[origin]
            self.claim(f"{name}_{engine}", ~valid | (right & Cat(earlier).all()))
        count = model.count
        self.claim(f"count_{engine}", count <= 2)
        self.claim(f"ages_{engine}", (count != 2) | (model.oldest_origin < model.newest_origin))

    def _claim_counters(self) -> None:
        for giver, taker in PAIRS:
            gave, took = Const(0), Const(0)
            for i, item in enumerate(self.program):
                gave += (item.kind == giver) & self._completed[i] & item.signal[taker]
                took += (item.kind == taker) & self._begun[i] & item["wait"][giver]
            name = f"{giver}_{taker}"
            self.claim(f"there_{name}", took + self.there[giver, taker] == gave)
            self.claim(f"counter_{name}", took + self.tokens.counts[giver, taker] == gave)

    def _kind(self, origin: Value) -> Value:
        return Mux(origin == self._length, END, self._field("kind", origin))

    def _field(self, name: str, origin: Value) -> Value:
        return Array(item[name] for item in self.program)[origin]

    def _matches(self, header, origin: Value, *, with_opcode: bool = False) -> Value:
        masks = Cat(header.wait, header.signal)
        wanted = Cat(self._field("wait", origin), self._field("signal", origin))
        same = masks == Mux(origin == self._length, 0, wanted)
        if with_opcode:
            opcode = Array([Opcode.LOAD, Opcode.LMMA, Opcode.STORE, Opcode.END])
            same &= (origin <= self._length) & (header.opcode == opcode[self._kind(origin)])
        return same
