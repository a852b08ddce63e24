"""Back of COMPUTE: steps through the lookups of an LMMA, one a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import LAYOUTS, ErrorCode, Opcode
from .plane_accumulator import PlaneControl
from .plane_list import PlaneList
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


class LookupSequencer(Component):
    """The loop nest of LMMA: K block, row block, output block, plane, activation plane.

    It takes the next instruction in the cycle of the last lookup of this one, so that lookups
    of successive LMMAs follow each other without a gap. A lookup waits only

    - for the table of its K block (`table_stall`),
    - one cycle, where it would update the partial sum that is just being written,
    - one cycle now and then while STORE asks for the port of the partial sums (`yield_port`).

    PLANES waits until the pipeline is empty (`drained`), then ``count + 1`` cycles.
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

        now = Signal(LAYOUTS[Opcode.LMMA], reset_less=True)
        origin = Signal(40, reset_less=True)
        k, n, row = Signal(11, reset_less=True), Signal(11, reset_less=True), Signal(7)
        plane, act_plane = Signal(4, reset_less=True), Signal(5, reset_less=True)
        weight, weight_k = Signal(14, reset_less=True), Signal(14, reset_less=True)
        psum_row, psum, scale = Signal(15, reset_less=True), Signal(16), Signal(15)
        last_act, last_plane, last_n, last_row, last = (
            Signal(name=f"last_{what}") for what in ("act", "plane", "n", "row", "all")
        )
        issue, take = Signal(), Signal()
        m.d.comb += [
            psum.eq(psum_row + n),
            scale.eq(now.scale_base + n),
            last_act.eq(act_plane == 0),
            last_plane.eq(last_act & (plane + 1 == planes.count)),
            last_n.eq(last_plane & (n + 1 == now.n_blocks)),
            last_row.eq(last_n & (row + 1 == now.rows)),
            last.eq(last_row & (k + 1 == now.k_blocks)),
            take.eq(able & (head_lmma.opcode == Opcode.LMMA) & (~self.active | issue & last)),
            self.instructions.ready.eq(take & (planes.count != 0) | planes.done),
        ]

        # Tables: a K block begins when one is ready; `ready` counts loaded but not begun ones.
        ready, begin = Signal(2), Signal()
        first = (n == 0) & (plane == 0) & (act_plane + 1 == planes.act_planes)
        m.d.comb += begin.eq(issue & first)
        m.d.sync += ready.eq(ready + self.loaded - begin)

        previous, written = Signal.like(psum, reset_less=True), Signal()
        m.d.sync += [written.eq(issue & last_plane), previous.eq(psum)]
        conflict = last_plane & written & (previous == psum)
        beyond = (psum >= c.psum_depth) | now.group & (scale >= c.scale_depth)
        no_table = first & (ready == 0)
        m.d.comb += [
            self.table_stall.eq(self.active & no_table),
            issue.eq(self.active & ~no_table & ~conflict & ~beyond & ~self.yield_port & ~self.halt),
        ]

        m.d.comb += [
            self.weight_address.eq(weight),
            self.lookup.element.valid.eq(issue),
            self.lookup.element.act_plane.eq(act_plane),
            self.lookup.element.act_first.eq(act_plane + 1 == planes.act_planes),
            self.lookup.element.act_last.eq(last_act),
            self.lookup.element.release.eq(last_n),
            self.lookup.plane.valid.eq(issue & last_act),
            self.lookup.plane.first.eq(plane == 0),
            self.lookup.plane.shift.eq(planes.planes[plane].shift),
            self.lookup.plane.negative.eq(planes.planes[plane].negative),
            self.lookup.complete.eq(issue & last_plane),
            self.lookup.psum.eq(psum),
            self.lookup.clear.eq(now.clear & (k == 0)),
            self.lookup.group.eq(now.group),
            self.lookup.scale.eq(scale),
            self.lookup.signal.eq(now.signal & (issue & last).replicate(3)),
        ]

        with m.If(issue):
            m.d.sync += act_plane.eq(act_plane - 1)
            with m.If(last_act):
                m.d.sync += [
                    act_plane.eq(planes.act_planes - 1), plane.eq(plane + 1), weight.eq(weight + 1)
                ]  # fmt: skip
            with m.If(last_plane):
                m.d.sync += [plane.eq(0), n.eq(n + 1)]
            with m.If(last_n):
                m.d.sync += [n.eq(0), row.eq(row + 1), weight.eq(weight_k)]
                m.d.sync += psum_row.eq(psum_row + now.psum_stride)
            with m.If(last_row):
                m.d.sync += [row.eq(0), k.eq(k + 1), psum_row.eq(now.psum_base)]
                m.d.sync += [weight.eq(weight + 1), weight_k.eq(weight + 1)]
            with m.If(last):
                m.d.sync += self.active.eq(0)
        with m.If(take & (planes.count != 0)):
            m.d.sync += [
                now.eq(head_lmma), origin.eq(head.address), self.active.eq(1),
                k.eq(0), n.eq(0), row.eq(0), plane.eq(0), act_plane.eq(planes.act_planes - 1),
                weight.eq(head_lmma.weight_base), weight_k.eq(head_lmma.weight_base),
                psum_row.eq(head_lmma.psum_base),
            ]  # fmt: skip

        with m.If(~self.error.valid):
            with m.If(planes.wrong | take & (planes.count == 0)):
                m.d.sync += self._fail(ErrorCode.ILLEGAL_PLANES, head.address)
            with m.Elif(self.active & beyond):
                m.d.sync += self._fail(ErrorCode.BUFFER_RANGE, origin)
        return m

    def _fail(self, code: ErrorCode, address):
        return [self.error.valid.eq(1), self.error.code.eq(code), self.error.address.eq(address)]
