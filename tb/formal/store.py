"""`Store` reads every partial sum once, fills every beat it asked for, and gives its tokens."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from amaranth.hdl import Cat, Const, Fragment, Module, Mux, Signal
from amaranth.lib import data

from ...hw.isa import LAYOUTS, Opcode
from ...hw.issue import Issue
from ...hw.packer import Packer
from ...hw.store import Store
from .faults import Fault
from .harness import Harness, past, transfer
from .small import small_config

__all__ = ["StoreHarness"]

_BEATS = 6  # bits of a number of beats or words: more than there are cycles times beats


class StoreHarness(Harness):
    """Any legal STOREs of one to three words, any tokens, any pace of COMPUTE and memory.

    One instruction is followed from the queue to its tokens: its request, the address of each of
    its words, and that its tokens are given once, in the cycle after memory confirmed it.
    No word finds its buffer full, and as many beats are made as were asked for; that
    they hold what they should is the proof of `Packer`.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "no room": Fault(Store, "& tags.w_rdy & ~engine.halt", "& ~engine.halt", breaks="room"),
        "tag kept": Fault(
            Store, "tags.r_en.eq(word.ready & word.valid)", "tags.r_en.eq(0)",
            breaks="no_more_beats",
        ),
        "not confirmed": Fault(
            Store, "engine.tokens.signal_valid.eq(self.memory.done)",
            "engine.tokens.signal_valid.eq(signals.r_rdy)", breaks="signal",
        ),
        "end ignored": Fault(
            Packer, "(following == 0) | out.tag.end", "following == 0", breaks="none_lost"
        ),
        "token unasked": Fault(
            Issue, "self.wait_valid & self.wait_ready", "self.wait_valid", breaks="wait_first"
        ),
    }  # fmt: skip

    def build(self, m: Module) -> None:
        c = small_config()
        exposed = ("with m.If(asked):", "self.inner = locals()\n        with m.If(asked):")
        dut = self.component(Store, exposed)(c, lanes=1, unconfirmed=2)
        m.submodules.dut = Fragment.get(dut, None)  # here and now: there is `dut.inner` after it
        source, memory, tokens = dut.engine.instructions, dut.memory, dut.engine.tokens
        item = self.anything(
            data.StructLayout(
                {
                    "base": 4, "words": 2, "requantise": 1, "beat": c.addr_bits - 2,
                    "wait": 3, "signal": 3,
                }
            ),
            name="item",
        )  # fmt: skip
        fields = LAYOUTS[Opcode.STORE](source.payload.bits)
        same = ("words", "requantise", "wait", "signal")
        m.d.comb += [
            *(fields[name].eq(item[name]) for name in same),
            fields.psum_base.eq(item.base),
            fields.address.eq(item.beat << 2),
            source.valid.eq(self.anything(name="valid")),
            tokens.wait_ready.eq(self.anything(name="wait_ready")),
            memory.requests.ready.eq(self.anything(name="requests_ready")),
        ]
        beats = Signal(4)
        m.d.comb += beats.eq(Mux(item.requantise, (item.words + 1) >> 1, item.words << 1))
        self.assume_offered(source)
        self.assume(~source.valid | (item.words != 0))
        self.assume(~source.valid | (item.base + item.words <= c.psum_depth))
        self.assume(~source.valid | (item.beat + beats <= 1 << c.addr_bits - 2))
        self.assume(~source.valid | ~(item.wait[2] | item.signal[2]))

        request, taken = memory.requests, transfer(source)
        asked = self.follow(taken, Cat(Const(0, 2), item.beat, beats), transfer(request))
        right = Cat(request.payload.address, request.payload.beats) == asked.its
        self.claim("request", ~request.valid | (asked.level != 0) & (~asked.due | right))
        self.claim_offered(request, "request_offered")
        granted = tokens.wait_valid & tokens.wait_ready
        waits = self.follow(taken, item["wait"], granted)
        self.claim("wait", ~tokens.wait_valid | ~waits.due | (tokens.wait == waits.its))
        allowed = Signal(3)
        m.d.sync += allowed.eq(allowed + granted - transfer(request))
        self.claim("wait_first", ~request.valid | (allowed != 0))

        self._claim_words(m, dut, item)
        made = self._claim_beats(m, dut)
        level = self._claim_tokens(m, dut, item, made)
        self.claim("no_error", ~dut.engine.error.valid)
        self.claim("idle", ~dut.engine.idle | (level == 0))

    def _claim_words(self, m: Module, dut: Store, item) -> None:
        """Partial sums come after any delay; they are read in order, and never too many."""
        psums, inner = dut.psums, dut.inner
        coming = Signal(_BEATS)
        asked = psums.valid & psums.ready
        m.d.comb += [
            psums.ready.eq(self.anything(name="psums_ready")),
            psums.data_valid.eq(self.anything(name="data_valid") & (coming != 0)),
        ]
        m.d.sync += coming.eq(coming + asked - psums.data_valid)
        self.claim("room", ~psums.data_valid | inner["words"].w_rdy)
        self.claim("pairs", ~inner["words"].r_rdy | inner["tags"].r_rdy)

        taken = transfer(dut.engine.instructions)
        owed, before, left = Signal(_BEATS), Signal(_BEATS), Signal(2)
        m.d.sync += owed.eq(owed + Mux(taken, item.words, 0) - asked)
        chosen, address = self.anything(name="chosen_words"), Signal(4)
        followed = Signal()
        with m.If(taken & chosen & ~followed):
            m.d.sync += [followed.eq(1), before.eq(owed - asked)]
            m.d.sync += [left.eq(item.words), address.eq(item.base)]
        with m.Elif(asked & (before != 0)):
            m.d.sync += before.eq(before - 1)
        with m.Elif(asked & (left != 0)):
            m.d.sync += [left.eq(left - 1), address.eq(address + 1)]
        due = psums.valid & followed & (before == 0) & (left != 0)
        self.claim("words", ~due | (psums.address == address))
        self.claim("no_more_words", ~psums.valid | (owed != 0))

    def _claim_beats(self, m: Module, dut: Store) -> Signal:
        """As many beats are made as were asked for. Returns how many were taken."""
        memory, request = dut.memory, dut.memory.requests
        wanted, made = Signal(_BEATS), Signal(_BEATS)
        m.d.comb += memory.beats.ready.eq(self.anything(name="beats_ready"))
        m.d.sync += [
            wanted.eq(wanted + Mux(transfer(request), request.payload.beats, 0)),
            made.eq(made + transfer(memory.beats)),
        ]
        self.claim("no_more_beats", ~memory.beats.valid | (made != wanted))
        self.claim_offered(memory.beats, "beats_offered")
        inner = dut.inner
        work = inner["packer"].busy | inner["words"].r_rdy | inner["tags"].r_rdy
        done = ~work & (inner["left"] == 0) & ~memory.beats.valid
        self.claim("none_lost", ~done | (made == wanted))
        return made

    def _claim_tokens(self, m: Module, dut: Store, item, made: Signal) -> Signal:
        """Memory confirms in order, after the last beat; the tokens follow a cycle later."""
        memory, tokens, request = dut.memory, dut.engine.tokens, dut.memory.requests
        # Ends of the requests that are not confirmed, oldest first.
        wanted, open_, ends = Signal(_BEATS), Signal(2), [Signal(_BEATS) for _ in range(3)]
        after = Signal(_BEATS)
        m.d.comb += after.eq(wanted + request.payload.beats)
        done = self.anything(name="confirms") & (open_ != 0) & ((made - ends[0])[:_BEATS] < 32)
        m.d.comb += memory.done.eq(done)
        with m.If(memory.done):
            m.d.sync += [end.eq(following) for end, following in pairwise(ends)]
        with m.If(transfer(request)):
            m.d.sync += wanted.eq(after)
            for i, end in enumerate(ends):
                with m.If(open_ - memory.done == i):
                    m.d.sync += end.eq(after)
        m.d.sync += open_.eq(open_ + transfer(request) - memory.done)
        self.claim("unconfirmed", open_ <= 2)

        followed = self.follow(transfer(dut.engine.instructions), item.signal, tokens.signal_valid)
        due = tokens.signal_valid & followed.due
        confirmed = past(m, memory.done)
        self.claim("signal", tokens.signal_valid == confirmed)
        self.claim("signal_mask", ~due | (tokens.signal == followed.its))
        return followed.level
