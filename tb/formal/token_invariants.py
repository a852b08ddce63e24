"""Why a legal program of any length cannot deadlock: what holds in every state."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Signal, Value

from ...hw.dispatch import Dispatch
from ...hw.isa import ENGINES, LAYOUTS, Opcode
from ...hw.tokens import Tokens
from .tokens import OPCODES, PAIRS, TokensHarness

__all__ = ["TokenInvariantsHarness"]


class TokenInvariantsHarness(TokensHarness):
    """`TokensHarness` for queues of one instruction, with the facts that make it inductive.

    For each instruction in a queue it is counted how many of the other engines' instructions,
    in queues or in work, stand before it in the program. Then

    - tokens: what the program has given and not taken is what the counter holds, with what
      instructions under way will give, less what those not yet begun will take;
    - enough: an instruction in a queue finds its tokens once the instructions before it have
      completed: they are in the counter, or these will give them;
    - order: of the instructions in the three queues one stands before the others.

    So the first of them can begin as soon as nothing is in work, whatever came before.
    """

    exposing: ClassVar[dict[type, tuple[tuple[str, str], ...]]] = {
        Dispatch: (("with m.If(unable):", "self.inner = locals()\n        with m.If(unable):"),),
        Tokens: (
            (
                "overflow.append(",
                "there = count, present[taker][giver]\n"
                "            self.__dict__.setdefault('counts', {})[giver, taker] = there\n"
                "            overflow.append(",
            ),
        ),
    }

    def __init__(self, fault: str | None = None, *, legal: bool = True) -> None:
        super().__init__(fault, depth=1, legal=legal)

    def build(self, m: Module) -> None:
        super().build(m)
        self._claim_held()
        self._count_earlier(m)
        for giver, taker in PAIRS:
            self._claim_pair(giver, taker)
        for engine, model in zip(ENGINES, self.engines, strict=True):
            itself = model.header["wait"][engine]
            self.claim(f"queued_{engine}", ~self._queued(engine) | ~itself)
            self.claim(f"working_{engine}", model.count <= 2)
        older = {pair: self._older(*pair) for pair in PAIRS}
        for a, b in PAIRS:
            both = self._queued(a) & self._queued(b)
            if a < b:
                self.claim(f"order_{a}_{b}", ~both | (older[a, b] ^ older[b, a]))
        everyone = Cat(self._queued(engine) for engine in ENGINES).all()
        for name, (a, b, c) in {"up": (0, 1, 2), "down": (0, 2, 1)}.items():
            circle = older[a, b] & older[b, c] & older[c, a]
            self.claim(f"order_{name}", ~everyone | ~circle)

    def _claim_held(self) -> None:
        """`Dispatch` holds what is legal, and the engines' instructions only pass it."""
        inner = self.dispatch.inner
        self._held_header = header = LAYOUTS[Opcode.END](inner["held"].bits)
        self._held = {}
        known: list[Value] = []
        for engine, opcode in OPCODES.items():
            self._held[engine] = inner["held_valid"] & (header.opcode == opcode)
            itself = header["wait"][engine] | header.signal[engine]
            known.append((header.opcode == opcode) & ~itself)
        end = (header.opcode == Opcode.END) & ~header["wait"].any() & ~header.signal.any()
        self.claim("held", ~inner["held_valid"] | Cat(*known, end).any())
        self.claim("held_end", ~self.ended | (inner["held_valid"] & end))
        self.claim("held_not_end", self.ended | ~(inner["held_valid"] & end))
        self.claim("never_stuck", inner["stuck"] == 0)
        self.claim("never_long", self.quiet < 4)

    def _queued(self, engine: int) -> Value:
        return self.engines[engine].source.valid

    def _count_earlier(self, m: Module) -> None:
        """``earlier[taker, giver]``: the giver's instructions before the one in the taker's queue.

        The giver's oldest ones: the two in work, then the one in its queue.
        """
        self._earlier = {}
        for taker, giver in PAIRS:
            count = Signal(3, name=f"earlier_{taker}_{giver}")
            model = self.engines[giver]
            level = model.count + self._queued(giver) - model.completed
            empty = ~self._queued(taker)
            with m.If(empty | self.engines[taker].began):
                # What enters the queue now is the last of all that are under way.
                m.d.sync += count.eq(level)
            with m.Elif(model.completed & (count != 0)):
                m.d.sync += count.eq(count - 1)
            self._earlier[taker, giver] = count
            self.claim(f"earlier_{taker}_{giver}",
                       empty | (count <= model.count + self._queued(giver)))  # fmt: skip

    def _older(self, a: int, b: int) -> Value:
        """The instruction in the queue of `a` stands before the one in that of `b`."""
        return self._earlier[b, a] == self.engines[a].count + 1

    def _gives(self, giver: int, taker: int, first: Value | None = None) -> Value:
        """Tokens that the (first) instructions of `giver` under way will give."""
        model = self.engines[giver]
        count = model.count
        places = [
            (count != 0, Const(0, 3), model.oldest),
            (count == 2, Const(1, 3), model.newest),
            (self._queued(giver), count, model.header.signal),
        ]
        total = Const(0, 1)
        for there, place, signal in places:
            total += there & signal[taker] & ((first > place) if first is not None else 1)
        return total

    def _claim_pair(self, giver: int, taker: int) -> None:
        there, held = self.there[ENGINES[giver], ENGINES[taker]], self._held_header
        name = f"{giver}_{taker}"
        takes = (self._queued(taker) & self.engines[taker].header["wait"][giver]) + (
            self._held[taker] & held["wait"][giver]
        )
        gives = self._gives(giver, taker) + (self._held[giver] & held.signal[taker])
        open_ = self.open[ENGINES[giver], ENGINES[taker]]
        count, some = self.tokens.counts[ENGINES[giver], ENGINES[taker]]
        self.claim(f"counter_{name}", (there == count) & (some == (count != 0)))
        self.claim(f"tokens_{name}", there + gives == open_ + takes)
        waits = self._queued(taker) & self.engines[taker].header["wait"][giver]
        before = self._gives(giver, taker, self._earlier[taker, giver])
        self.claim(f"enough_{name}", ~waits | (there + before != 0))
