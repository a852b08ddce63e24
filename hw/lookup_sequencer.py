"""Back of COMPUTE: steps through the lookups of an LMMA, one a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import LAYOUTS, ErrorCode, Opcode
from .plane_accumulator import PlaneControl
from .plane_list import PlaneList, kept_planes
from .processing_element import PEControl

__all__ = ["LookupSequencer", "lookup_layout"]


def lookup_layout(config: Config) -> data.StructLayout:
    """What one lookup carries down the pipeline besides its weights."""
    return data.StructLayout(
        {
            "element": PEControl,
            "plane": PlaneControl,
            "complete": 1,  # the last plane: the sum goes on to the partial sums
            "psum": bits_for(config.psum_depth),
            "clear": 1,
            "group": 1,
            "scale": bits_for(config.scale_depth),
            "signal": 3,
        }
    )


def _offer_layout(config: Config) -> data.StructLayout:
    """A lookup as it is offered, and what decides when it may go."""
    return data.StructLayout(
        {
            "lookup": lookup_layout(config),
            "address": 14,
            "origin": 40,  # of its instruction
            "first": 1,  # of its K block
            "same": 1,  # its partial sum is that of the lookup before
            "same_late": 1,  # ... of the one before that
            "beyond": 1,  # it leaves a buffer
        }
    )


class LookupSequencer(Component):
    """The loop nest of LMMA: K block, row block, output block, plane, activation plane.

    A generator works one lookup ahead of the one that is offered, so that no counter stands between
    two registers of the path that decides. It takes the next instruction while it offers the last
    lookup of this one, so that lookups of successive LMMAs follow each other without a gap. A
    lookup waits only

    - for the table of its K block (`table_stall`), and for its `probe` where it needs one,
    - a cycle, or two, where it would update a partial sum that is just being written,
    - one cycle now and then while STORE asks for the port of the partial sums (`yield_port`).

    PLANES waits until the pipeline is empty (`drained`), then as long as `PlaneList` takes.

    Latency: 2 cycles from an instruction to its first lookup.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "instructions": In(InstructionStream()),
                "loaded": In(1),
                "yield_port": In(1),
                "drained": In(1),
                "halt": In(1),
                "lookup": Out(lookup_layout(config)),
                "weight_address": Out(bits_for(config.weight_depth)),
                "halve": Out(1),
                "coefficient": Out(signed(config.coefficient_bits)),
                "planes_signal": Out(3),
                "active": Out(1),
                "table_stall": Out(1),
                "error": Out(ErrorReport()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.planes = planes = PlaneList(c)
        head = self.instructions.payload
        head_lmma = LAYOUTS[Opcode.LMMA](head.bits)
        is_planes = head_lmma.opcode == Opcode.PLANES
        able = self.instructions.valid & ~self.halt & ~self.error.valid

        setting = Signal()
        m.d.comb += [
            planes.instruction.eq(head.bits),
            planes.start.eq(able & is_planes & ~self.active & self.drained & ~setting),
            self.halve.eq(planes.halve),
            self.coefficient.eq(planes.coefficient),
        ]
        with m.If(planes.start):
            m.d.sync += setting.eq(1)
        with m.If(planes.done):
            m.d.sync += setting.eq(0)
            m.d.comb += self.planes_signal.eq(head_lmma.signal)

        # The generator: what the next lookup is, ahead of the lookup that is issued. Every question
        # it asks of a counter was answered when the counter last changed.
        lmma, origin = Signal(LAYOUTS[Opcode.LMMA], reset_less=True), Signal(40, reset_less=True)
        running, step, take, last = Signal(), Signal(), Signal(), Signal()
        plane_bits = bits_for(kept_planes(c))
        act_plane, plane = (
            Signal(5, reset_less=True),
            Signal(plane_bits, reset_less=True),
        )
        n_left, row_left = Signal(11, reset_less=True), Signal(7, reset_less=True)
        k_left = Signal(11, reset_less=True)
        weight, weight_k = Signal(14, reset_less=True), Signal(14, reset_less=True)
        psum, psum_row = Signal(16, reset_less=True), Signal(15, reset_less=True)
        scale = Signal(15, reset_less=True)
        act_only, act_end, plane_only, plane_end, n_end, row_end, k_end, n_first, k_first = (
            Signal(name=name, reset_less=True)
            for name in ("act_only", "act_end", "plane_only", "plane_end", "n_end", "row_end",
                         "k_end", "n_first", "k_first")
        )  # fmt: skip
        act_first, plane_first = Signal(reset_less=True), Signal(reset_less=True)
        outer_end = Signal(reset_less=True)  # n_end & row_end & k_end
        last_plane, last_n, last_row = (
            Signal(name=f"last_{what}") for what in ("plane", "n", "row")
        )
        m.d.comb += [
            last_plane.eq(act_end & plane_end),
            last_n.eq(last_plane & n_end),
            last_row.eq(last_n & row_end),
            last.eq(last_plane & outer_end),
            take.eq(able & (head_lmma.opcode == Opcode.LMMA) & (~running | step & last)),
            self.instructions.ready.eq(take & (planes.count != 0) | planes.done),
        ]

        # The next lookup: to where it is offered, or where it waits while another one is.
        made = Signal(_offer_layout(c))
        before, earlier = (Signal(made.lookup.shape(), name=n, reset_less=True)
                           for n in ("before", "earlier"))  # fmt: skip
        # By itself: a simulator takes one vector that feeds on its own fields for a loop.
        now = Signal(made.lookup.shape())

        def repeats(other):
            return last_plane & other.complete & (other.psum == now.psum)

        m.d.comb += [
            now.element.act_plane.eq(act_plane),
            now.element.act_first.eq(act_first),
            now.element.act_last.eq(act_end),
            now.element.release.eq(last_n),
            now.plane.first.eq(plane_first),
            now.plane.shift.eq(planes.planes[plane].shift),
            now.plane.negative.eq(planes.planes[plane].negative),
            now.complete.eq(last_plane),
            now.psum.eq(psum),
            now.clear.eq(lmma.clear & k_first),
            now.group.eq(lmma.group),
            now.scale.eq(scale),
            now.signal.eq(lmma.signal & last.replicate(3)),
            made.lookup.eq(now),
            made.address.eq(weight),
            made.origin.eq(origin),
            made.first.eq(n_first & plane_first & act_first),
            made.same.eq(repeats(before)),
            made.same_late.eq(repeats(earlier)),
            made.beyond.eq((psum >= c.psum_depth) | lmma.group & (scale >= c.scale_depth)),
        ]
        offered, held = Signal(), Signal.like(made, name="held", reset_less=True)
        waiting, spare = Signal(), Signal.like(made, name="spare", reset_less=True)
        issue, free = Signal(), Signal()
        m.d.comb += [step.eq(running & ~waiting), free.eq(~offered | issue)]
        with m.If(step):
            m.d.sync += [before.eq(now), earlier.eq(before)]
        with m.If(free):
            m.d.sync += [
                offered.eq(waiting | step),
                waiting.eq(0),
                held.eq(Mux(waiting, spare, made)),
            ]
        with m.Elif(step):
            m.d.sync += [waiting.eq(1), spare.eq(made)]

        # The lookup that is offered to the pipeline, and what may keep it.
        lookup, first = held.lookup, held.first
        ready, issued, late = Signal(2), Signal(), Signal(name="issued_late")
        no_table, probe = first & (ready == 0), Signal()
        if c.table_feed == "stream":
            # One cycle, before its first weight word, for the sum of the K block's activations.
            probed = Signal()
            m.d.comb += probe.eq(offered & first & (ready != 0) & ~probed & ~self.halt)
            m.d.sync += probed.eq((probed | probe) & ~(issue & first))
            no_table = first & ~probed
        # A word must not be read while its sum is on its way: in the next two cycles.
        conflict = held.same & (issued | late) | held.same_late & issued & late
        m.d.comb += [
            self.table_stall.eq(offered & no_table),
            issue.eq(
                offered & ~no_table & ~conflict & ~held.beyond & ~self.yield_port & ~self.halt
            ),
            self.active.eq(running | offered),
            self.weight_address.eq(held.address),
            self.lookup.eq(lookup),
            self.lookup.element.valid.eq(issue),
            self.lookup.plane.valid.eq(issue & lookup.element.act_last),
            self.lookup.complete.eq(issue & lookup.complete),
            self.lookup.signal.eq(lookup.signal & issue.replicate(3)),
        ]
        m.d.comb += self.lookup.element.probe.eq(probe)
        m.d.sync += [
            # Tables: a K block begins when one is ready; `ready` counts loaded but not begun ones.
            ready.eq(ready + self.loaded - (issue & first)),
            issued.eq(issue),
            late.eq(issued),
        ]

        one_n, one_row = lmma.n_blocks == 1, lmma.rows == 1

        def restart_outputs(row) -> list:
            return [psum.eq(row), psum_row.eq(row), scale.eq(lmma.scale_base), n_first.eq(1),
                    n_left.eq(lmma.n_blocks - 1), n_end.eq(one_n)]  # fmt: skip

        with m.If(step):
            m.d.sync += [act_plane.eq(act_plane - 1), act_first.eq(0), act_end.eq(act_plane == 1)]
            with m.If(act_end):
                m.d.sync += [
                    act_plane.eq(planes.act_planes - 1), act_first.eq(1), act_end.eq(act_only),
                    plane.eq(plane + 1), plane_first.eq(0), plane_end.eq(plane + 2 == planes.count),
                    weight.eq(weight + 1),
                ]  # fmt: skip
            with m.If(last_plane):
                m.d.sync += [
                    plane.eq(0), plane_first.eq(1), plane_end.eq(plane_only),
                    n_left.eq(n_left - 1), n_end.eq(n_left == 1), n_first.eq(0),
                    outer_end.eq((n_left == 1) & row_end & k_end),
                    psum.eq(psum + 1), scale.eq(scale + 1),
                ]  # fmt: skip
            with m.If(last_n):
                m.d.sync += [
                    *restart_outputs(psum_row + lmma.psum_stride), weight.eq(weight_k),
                    row_left.eq(row_left - 1), row_end.eq(row_left == 1),
                    outer_end.eq(one_n & (row_left == 1) & k_end),
                ]  # fmt: skip
            with m.If(last_row):
                m.d.sync += [
                    *restart_outputs(lmma.psum_base), weight.eq(weight + 1),
                    weight_k.eq(weight + 1), row_left.eq(lmma.rows - 1),
                    row_end.eq(one_row), k_left.eq(k_left - 1), k_end.eq(k_left == 1),
                    k_first.eq(0), outer_end.eq(one_n & one_row & (k_left == 1)),
                ]  # fmt: skip
            with m.If(last):
                m.d.sync += running.eq(0)
        with m.If(take & (planes.count != 0)):
            new = head_lmma
            m.d.sync += [
                lmma.eq(new), origin.eq(head.address), running.eq(1),
                act_plane.eq(planes.act_planes - 1), act_first.eq(1),
                act_only.eq(planes.act_planes == 1), act_end.eq(planes.act_planes == 1),
                plane.eq(0), plane_first.eq(1), plane_only.eq(planes.count == 1),
                plane_end.eq(planes.count == 1),
                n_left.eq(new.n_blocks - 1), n_end.eq(new.n_blocks == 1), n_first.eq(1),
                row_left.eq(new.rows - 1), row_end.eq(new.rows == 1),
                k_left.eq(new.k_blocks - 1), k_end.eq(new.k_blocks == 1), k_first.eq(1),
                outer_end.eq((new.n_blocks == 1) & (new.rows == 1) & (new.k_blocks == 1)),
                weight.eq(new.weight_base), weight_k.eq(new.weight_base),
                psum.eq(new.psum_base), psum_row.eq(new.psum_base), scale.eq(new.scale_base),
            ]  # fmt: skip

        with m.If(~self.error.valid):
            with m.If(planes.wrong | take & (planes.count == 0)):
                m.d.sync += self._fail(ErrorCode.ILLEGAL_PLANES, head.address)
            with m.Elif(offered & held.beyond):
                m.d.sync += self._fail(ErrorCode.BUFFER_RANGE, held.origin)
        return m

    def _fail(self, code: ErrorCode, address):
        return [self.error.valid.eq(1), self.error.code.eq(code), self.error.address.eq(address)]
