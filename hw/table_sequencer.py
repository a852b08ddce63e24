"""Front of COMPUTE: takes instructions, waits for tokens, and sends K blocks to be prepared."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import LAYOUTS, Engine, ErrorCode, Opcode

__all__ = ["TableSequencer"]


class TableSequencer(Component):
    """Walks the K blocks and row blocks of an LMMA ahead of the lookups.

    An accepted instruction is handed on to the lookup sequencer at once; its K blocks are
    read from the activation buffer and offered to the processing element, which takes them as its
    banks come free. So the tables of an LMMA are built during the LMMA before it.

    Latency: one cycle from an accepted LMMA to its first buffer read, one more to `x`; then a
    K block whenever the element takes one.
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

        wrong = Signal()
        m.d.comb += wrong.eq(
            lmma["wait"][Engine.COMPUTE]
            | lmma.signal[Engine.COMPUTE]
            | is_lmma & ((lmma.k_blocks == 0) | (lmma.n_blocks == 0) | (lmma.rows == 0))
        )
        able = ~running & ~self.halt & ~self.error.valid
        m.d.comb += [
            self.wait.eq(lmma["wait"]),
            self.wait_valid.eq(self.instructions.valid & able & ~wrong & self.accepted.ready),
            self.instructions.ready.eq(self.wait_valid & self.wait_ready),
            self.accepted.payload.eq(self.instructions.payload),
            self.accepted.valid.eq(self.instructions.ready),
            self.busy.eq(running | pending),
        ]
        with m.If(self.instructions.valid & able & wrong):
            m.d.sync += self._fail(ErrorCode.ILLEGAL_FIELD, self.instructions.payload.address)

        k, row = Signal(11, reset_less=True), Signal(7, reset_less=True)
        offset = Signal(16, reset_less=True)
        address = Signal(17)
        m.d.comb += [
            address.eq(offset + k),
            self.act_address.eq(address),
            self.act_enable.eq(running & ~self.halt & (~pending | self.x.ready)),
            self.x.valid.eq(pending),
        ]
        with m.If(self.instructions.ready & is_lmma):
            m.d.sync += [
                current.eq(lmma),
                origin.eq(self.instructions.payload.address),
                running.eq(1),
                k.eq(0),
                row.eq(0),
                offset.eq(lmma.act_base),
            ]
        with m.If(self.x.ready):
            m.d.sync += pending.eq(0)
        with m.If(self.act_enable):
            m.d.sync += [pending.eq(1), row.eq(row + 1), offset.eq(offset + current.act_stride)]
            with m.If(row + 1 == current.rows):
                m.d.sync += [row.eq(0), k.eq(k + 1), offset.eq(current.act_base)]
                with m.If(k + 1 == current.k_blocks):
                    m.d.sync += running.eq(0)
            # Row offsets are never multiplied out; they are checked as they are reached.
            with m.If((address >= c.act_depth) | (offset >> 15)):
                m.d.sync += [*self._fail(ErrorCode.BUFFER_RANGE, origin), running.eq(0)]
                m.d.sync += pending.eq(0)
        return m

    def _fail(self, code: ErrorCode, address):
        return [self.error.valid.eq(1), self.error.code.eq(code), self.error.address.eq(address)]
