"""Front of COMPUTE: takes instructions, waits for tokens, and sends K blocks to be prepared."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from .build_schedule import build_schedule
from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import LAYOUTS, Engine, ErrorCode, Opcode

__all__ = ["TableSequencer"]


class TableSequencer(Component):
    """Walks the K blocks and row blocks of an LMMA ahead of the lookups.

    An accepted instruction is handed on to the lookup sequencer at once; its K blocks are
    read from the activation buffer and offered to the processing element, which takes them as its
    banks come free. So the tables of an LMMA are built during the LMMA before it.

    With ``table_feed = "stream"`` a K block is read slice by slice, in the order in which the steps
    of `hw.build_schedule` add them, once for each turn of the rows.

    Latency: 2 cycles from an instruction to its acceptance while no token is missing, one to the
    first buffer read of an LMMA, one more to `x`; then a K block whenever the element takes one.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "instructions": In(InstructionStream()),
                "wait": Out(3),
                "wait_valid": Out(1),
                "wait_ready": In(1),
                "accepted": Out(InstructionStream()),
                "act_enable": Out(1),
                "act_address": Out(bits_for(config.act_depth)),
                "act_part": Out(bits_for(config.lookup_group)),
                "x": Out(stream.Signature(0)),
                "busy": Out(1),
                "halt": In(1),
                "error": Out(ErrorReport()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        bits = self.instructions.payload.bits
        lmma = LAYOUTS[Opcode.LMMA](bits)
        is_lmma = lmma.opcode == Opcode.LMMA
        current = Signal(LAYOUTS[Opcode.LMMA], reset_less=True)
        origin = Signal(40, reset_less=True)
        running, pending = Signal(), Signal()

        # One cycle to look at an instruction, one or more for its tokens, both of them while the
        # one before still runs; then it is accepted.
        wrong, seen, granted = Signal(reset_less=True), Signal(), Signal()
        with m.If(self.instructions.valid & ~seen):
            m.d.sync += seen.eq(1)
            m.d.sync += wrong.eq(
                lmma["wait"][Engine.COMPUTE]
                | lmma.signal[Engine.COMPUTE]
                | is_lmma & ((lmma.k_blocks == 0) | (lmma.n_blocks == 0) | (lmma.rows == 0))
            )
        able = ~running & ~self.halt & ~self.error.valid
        m.d.comb += [
            self.wait.eq(lmma["wait"]),
            self.wait_valid.eq(seen & ~wrong & ~granted & ~self.halt),
            self.instructions.ready.eq(granted & able & self.accepted.ready),
            self.accepted.payload.eq(self.instructions.payload),
            self.accepted.valid.eq(granted & able),
            self.busy.eq(running | pending),
        ]
        with m.If(self.wait_valid & self.wait_ready):
            m.d.sync += granted.eq(1)
        with m.If(self.instructions.ready):
            m.d.sync += [seen.eq(0), granted.eq(0)]
        with m.If(seen & wrong & able):
            m.d.sync += self._fail(ErrorCode.ILLEGAL_FIELD, self.instructions.payload.address)

        k_left, row_left = Signal(11, reset_less=True), Signal(7, reset_less=True)
        k_end, row_end = Signal(reset_less=True), Signal(reset_less=True)
        address, first = Signal(16, reset_less=True), Signal(15, reset_less=True)
        m.d.comb += [
            self.act_address.eq(address),
            self.act_enable.eq(running & ~self.halt & (~pending | self.x.ready)),
            self.x.valid.eq(pending),
        ]
        with m.If(self.instructions.ready & is_lmma):
            m.d.sync += [
                current.eq(lmma), origin.eq(self.instructions.payload.address), running.eq(1),
                k_left.eq(lmma.k_blocks - 1), k_end.eq(lmma.k_blocks == 1),
                row_left.eq(lmma.rows - 1), row_end.eq(lmma.rows == 1),
                address.eq(lmma.act_base), first.eq(lmma.act_base + 1),
            ]  # fmt: skip
        with m.If(self.x.ready):
            m.d.sync += pending.eq(0)
        with m.If(self.act_enable):
            m.d.sync += pending.eq(1)
        last_part = Const(1, 1)
        if c.table_feed == "stream":
            # The step is that of the next part; the part itself goes to every block memory.
            parts = [step.operand for step in build_schedule(c)] * c.build_turns
            count = len(parts)
            step = Signal(range(count), init=1 % count)
            last_part = Signal(init=count == 1)
            part = Signal.like(self.act_part, init=parts[0])
            m.d.comb += self.act_part.eq(part)
            with m.If(self.act_enable):
                m.d.sync += [
                    step.eq(Mux(step == count - 1, 0, step + 1)),
                    last_part.eq(step == count - 1),
                    part.eq(Array(parts)[step]),
                ]
        with m.If(self.act_enable & last_part):
            m.d.sync += [
                address.eq(address + current.act_stride),
                row_left.eq(row_left - 1), row_end.eq(row_left == 1),
            ]  # fmt: skip
            with m.If(row_end):
                m.d.sync += [
                    address.eq(first), first.eq(first + 1),
                    row_left.eq(current.rows - 1), row_end.eq(current.rows == 1),
                    k_left.eq(k_left - 1), k_end.eq(k_left == 1),
                ]  # fmt: skip
                with m.If(k_end):
                    m.d.sync += running.eq(0)
        # Row offsets are never multiplied out; they are checked as they are reached.
        with m.If(self.act_enable & (address >= c.act_depth)):
            m.d.sync += [*self._fail(ErrorCode.BUFFER_RANGE, origin), running.eq(0), pending.eq(0)]
        return m

    def _fail(self, code: ErrorCode, address):
        return [self.error.valid.eq(1), self.error.code.eq(code), self.error.address.eq(address)]
