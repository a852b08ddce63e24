"""`Load` puts every beat where its instruction wants it, and gives each token once."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data

from ...hw.isa import LAYOUTS, Buffer, Opcode
from ...hw.issue import Issue
from ...hw.load import Load
from .faults import Fault
from .harness import Harness, past, transfer
from .small import small_config

__all__ = ["LoadHarness"]

_PATIENCE = 6
_BEATS = 7  # bits of a number of beats: more than there are cycles times beats


class LoadHarness(Harness):
    """Any legal LOADs of one or two rows, any tokens, any latency of the memory.

    One instruction is followed from the queue to its tokens: its request, the place of each of its
    beats, and that its tokens are given once, in the cycle after its last beat.
    Activations take four beats a row, weights one; four scale words share one.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "descriptor lost": Fault(
            Load, "issue.started.ready.eq(ahead.w_rdy)", "issue.started.ready.eq(1)",
            breaks="place",
        ),
        "row kept": Fault(
            Load, "m.d.sync += [beat.eq(0), row.eq(row + 1)]", "m.d.sync += beat.eq(0)",
            breaks="place",
        ),
        "token too early": Fault(
            Load, "final.eq(left == 2)", "final.eq(left <= 3)", breaks="signal",
        ),
        "issued unasked": Fault(
            Issue, "refill.eq(~head_valid | leave)", "refill.eq(~head_valid | allowed)",
            breaks="request_offered",
        ),
    }  # fmt: skip

    def build(self, m: Module) -> None:
        c = small_config()
        m.submodules.dut = dut = self.component(Load)(c, ahead=1)
        source, memory, tokens = dut.engine.instructions, dut.memory, dut.engine.tokens
        item = self.anything(
            data.StructLayout(
                {"buffer": 2, "row": 4, "rows": 2, "beat": c.addr_bits - 2, "wait": 3, "signal": 3}
            ),
            name="item",
        )
        fields = LAYOUTS[Opcode.LOAD](source.payload.bits)
        outstanding = Signal(_BEATS)
        m.d.comb += [
            *(fields[name].eq(item[name]) for name in ("buffer", "row", "rows", "wait", "signal")),
            fields.address.eq(item.beat << 2),
            source.valid.eq(self.anything(name="valid")),
            tokens.wait_ready.eq(self.anything(name="wait_ready")),
            memory.requests.ready.eq(self.anything(name="requests_ready")),
            memory.valid.eq(self.anything(name="answers") & (outstanding != 0)),
            memory.data.eq(self.anything(c.axi_bits, name="data")),
        ]
        beats = Signal(4)
        m.d.comb += beats.eq(Mux(item.buffer == Buffer.ACT, item.rows << 2, item.rows))
        rows = Array([c.act_depth, 1 << 6, c.scale_depth // 4, 0])[item.buffer]  # weights wrap
        self.assume_offered(source)
        self.assume(~source.valid | ((item.rows != 0) & (item.rows <= 2)))
        self.assume(~source.valid | (item.row + item.rows <= rows))
        self.assume(~source.valid | (item.beat + beats <= 1 << c.addr_bits - 2))
        self.assume(~source.valid | ~(item.wait[0] | item.signal[0]))

        request = memory.requests
        taken = transfer(source)
        asked = self.follow(taken, Cat(item.beat, beats), transfer(request))
        place = Cat(Const(0, 2), asked.its)
        right = Cat(request.payload.address, request.payload.beats) == place
        self.claim("request", ~request.valid | (asked.level != 0) & (~asked.due | right))
        self.claim_offered(request, "request_offered")
        # A beat comes two cycles after it was asked for at the earliest; `AxiReader` needs more.
        sent = past(m, Mux(transfer(request), request.payload.beats, 0))
        m.d.sync += outstanding.eq(outstanding + sent - memory.valid)

        granted = tokens.wait_valid & tokens.wait_ready
        waits = self.follow(taken, item.wait, granted)
        self.claim("wait", ~tokens.wait_valid | ~waits.due | (tokens.wait == waits.its))
        allowed = Signal(3)
        m.d.sync += allowed.eq(allowed + granted - transfer(request))
        self.claim("wait_first", ~request.valid | (allowed != 0))

        finished = self._claim_places(m, dut, item, beats)
        self.claim("no_error", ~dut.engine.error.valid)
        moved = taken | granted | transfer(request) | memory.valid | tokens.signal_valid
        eager = (
            source.valid & tokens.wait_ready & request.ready & (memory.valid | ~outstanding.any())
        )
        waited = Signal(range(_PATIENCE + 2))
        m.d.sync += waited.eq(Mux(eager & ~moved, waited + 1, 0))
        self.claim("prompt", waited <= _PATIENCE)
        self.claim("idle", ~dut.engine.idle | (finished.level == 0))

    def _claim_places(self, m: Module, dut: Load, item, beats: Signal):
        """Where the followed instruction's beats are written, and its tokens after them."""
        memory, tokens = dut.memory, dut.engine.tokens
        taken = transfer(dut.engine.instructions)
        followed = self.follow(taken, item, tokens.signal_valid)
        its = item.shape()(followed.its)
        # Beats that come before its first one.
        owed, before, mine = Signal(_BEATS), Signal(_BEATS), Signal()
        m.d.sync += owed.eq(owed + Mux(taken, beats, 0) - memory.valid)
        number, left = Signal(3), Signal(4)
        with m.If(followed.entered):
            m.d.sync += [before.eq(owed - memory.valid), left.eq(beats), number.eq(0)]
        with m.Elif(memory.valid & (before != 0)):
            m.d.sync += before.eq(before - 1)
        m.d.comb += mine.eq(memory.valid & followed.inside & (before == 0) & (left != 0))
        with m.If(mine):
            m.d.sync += [left.eq(left - 1), number.eq(number + 1)]

        # A beat is written in the cycle after its arrival.
        written, of_mine, place = past(m, memory.valid), past(m, mine), past(m, number)
        writes = [dut.act_write, dut.weight_write, dut.scale_write]
        enables = Cat(w.enable for w in writes)
        right = enables == 1 << its.buffer
        act, weight, scale = writes
        rows = {
            Buffer.ACT: Cat(act.beat, act.row) == (its.row << 2) + place,
            Buffer.WEIGHT: weight.row == (its.row + place)[: len(weight.row)],
            Buffer.SCALE: scale.row == its.row + place,
        }
        for buffer, there in rows.items():
            right &= (its.buffer != buffer) | there
        arrived = past(m, memory.data)
        same = Cat(w.data == arrived for w in writes).all()
        self.claim("place", ~of_mine | (right & same))
        self.claim("one_place", written == (enables != 0))
        last = past(m, mine & (left == 1))
        due = tokens.signal_valid & followed.due
        self.claim("signal", ~due | (last & (tokens.signal == its.signal)))
        self.claim("none_lost", ~last | due)
        return followed
