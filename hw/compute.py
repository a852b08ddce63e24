"""The COMPUTE engine: sequencers, buffers, processing element, accumulators, partial sums."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .act_slices import ActSlices
from .config import Config
from .interfaces import BufferWrite, EngineSignature, Instruction, PsumRead
from .isa import Engine, ErrorCode
from .lookup_sequencer import LookupSequencer, lookup_layout
from .partial_sums import PartialSums
from .plane_accumulator import PlaneAccumulator
from .processing_element import create_processing_element
from .rescale import Rescale
from .scratchpad import Scratchpad
from .table_sequencer import TableSequencer

__all__ = ["Compute"]

#: While STORE waits for the port of the partial sums, lookups leave it one cycle in so many.
_YIELD_PERIOD = 8


class Compute(Component):
    """Executes PLANES and LMMA on the buffers that LOAD fills; STORE reads the partial sums.

    Pipeline of one lookup, in cycles after it is issued: the weight word leaves the buffer (1), the
    element has the plane sum (1 + its latency = s), the planes are accumulated (s + 1), zero
    point (s + 2), scale (s + 3), and the partial sum is written at the end of that cycle; the
    instruction's tokens are given in the same cycle.
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        super().__init__(
            {
                "engine": Out(EngineSignature()),
                "act_write": In(BufferWrite(c, c.act_word_bits, c.act_depth)),
                "weight_write": In(BufferWrite(c, c.weight_word_bits, c.weight_depth)),
                "scale_write": In(BufferWrite(c, c.scale_word_bits, c.scale_depth)),
                "psum_read": In(PsumRead(c)),
                "array_busy": Out(1),
                "table_stall": Out(1),
                "weight_stall": Out(1),
                "store_stall": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        if c.table_feed == "stream":
            acts = ActSlices(c)
        else:
            acts = Scratchpad(c, word_bits=c.act_word_bits, depth=c.act_depth)
        m.submodules.acts = acts
        m.submodules.weights = weights = Scratchpad(
            c, word_bits=c.weight_word_bits, depth=c.weight_depth
        )
        m.submodules.scales = scales = Scratchpad(
            c, word_bits=c.scale_word_bits, depth=c.scale_depth
        )
        m.submodules.front = front = TableSequencer(c)
        m.submodules.back = back = LookupSequencer(c)
        queue = SyncFIFOBuffered(width=Instruction.size, depth=2) if c.queue_depth else None
        if queue is not None:
            m.submodules.queue = queue
        m.submodules.element = element = create_processing_element(c)
        m.submodules.planes = planes = PlaneAccumulator(c)
        m.submodules.rescale = rescale = Rescale(c)
        m.submodules.psums = psums = PartialSums(c)
        connect(m, flipped(self.act_write), acts.write)
        connect(m, flipped(self.weight_write), weights.write)
        connect(m, flipped(self.scale_write), scales.write)
        connect(m, flipped(self.psum_read), psums.store)

        engine = self.engine
        registered = c.lookup_registers or c.operand_registers
        # A cycle late: nothing here asks for memory, so that nobody waits for it.
        halt = Signal()
        m.d.sync += halt.eq(engine.halt)
        connect(m, flipped(engine.instructions), front.instructions)
        m.d.comb += [
            engine.tokens.wait.eq(front.wait),
            engine.tokens.wait_valid.eq(front.wait_valid),
            front.wait_ready.eq(engine.tokens.wait_ready),
            front.halt.eq(halt),
        ]
        busy: Value = front.busy
        if queue is not None:
            busy = busy | queue.r_rdy | (queue.level != 0)
            m.d.comb += [
                queue.w_data.eq(front.accepted.payload),
                queue.w_en.eq(front.accepted.valid),
                front.accepted.ready.eq(queue.w_rdy),
                back.instructions.payload.eq(queue.r_data),
                back.instructions.valid.eq(queue.r_rdy),
                queue.r_en.eq(back.instructions.ready),
            ]
        else:
            connect(m, front.accepted, back.instructions)
        m.d.comb += [
            back.halt.eq(halt),
            back.loaded.eq(element.loaded),
            acts.enable.eq(front.act_enable),
            acts.address.eq(front.act_address),
            element.x.valid.eq(front.x.valid),
            element.x.payload.eq(acts.data),
            front.x.ready.eq(element.x.ready),
            # An array that registers the word needs none to stay, nor a net across the chip.
            weights.enable.eq(1 if registered else back.lookup.element.valid),
            weights.address.eq(back.weight_address),
            element.weights.eq(weights.data),
        ]

        if c.table_feed == "stream":
            m.d.comb += acts.part.eq(front.act_part)

        # stages[i] is the lookup issued i cycles ago.
        stages = [back.lookup]
        summed = 1 + element.latency
        scaled = summed + 1 + rescale.latency
        for i in range(scaled):
            stage = Signal(lookup_layout(c), name=f"stage{i + 1}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        # Group parameters are read two or, where there is time, three cycles before the sums: the
        # output of a block memory comes late, and goes into a register of its own.
        asked, parameters = stages[max(0, summed - 3)], scales.data
        if summed > 2:
            parameters = Signal.like(scales.data, name="parameters", reset_less=True)
            m.d.sync += parameters.eq(scales.data)
        fetch = scaled - 1 - psums.registers
        m.d.comb += [
            element.control.eq(stages[1].element),
            planes.control.eq(stages[summed - 1].plane),
            planes.sums.eq(element.sums),
            planes.signs.eq(element.signs),
            scales.enable.eq(asked.complete & asked.group),
            scales.address.eq(asked.scale),
            rescale.valid.eq(stages[summed + 1].complete),
            rescale.halve.eq(back.halve),
            rescale.coefficient.eq(back.coefficient),
            rescale.group.eq(stages[summed - 1].group),
            rescale.parameters.eq(parameters),
            rescale.acc.eq(planes.acc),
            rescale.acc_signs.eq(planes.acc_signs),
            rescale.rows.eq(element.rows),
            psums.prefetch.eq(stages[fetch].complete),
            psums.address.eq(stages[fetch].psum),
            psums.clear.eq(stages[fetch].clear),
            psums.valid.eq(rescale.out_valid),
            psums.values.eq(rescale.values),
            engine.tokens.signal.eq(stages[scaled].signal | back.planes_signal),
            engine.tokens.signal_valid.eq(engine.tokens.signal != 0),
        ]

        in_flight = Signal()
        m.d.comb += [
            in_flight.eq(sum((s.element.valid for s in stages[1:]), 0) != 0),
            back.drained.eq(~in_flight),
        ]
        # STORE keeps asking until it is served: that it was not, several times, is enough to know.
        refused, due = Signal(range(_YIELD_PERIOD)), Signal()
        with m.If(psums.store.valid):
            again = ~psums.store.ready
            m.d.sync += refused.eq(Mux(again, refused + 1, 0))
            m.d.sync += due.eq(again & (refused == _YIELD_PERIOD - 2))
        m.d.comb += back.yield_port.eq(due)

        working = Signal()
        waiting = engine.tokens.wait_valid & ~engine.tokens.wait_ready
        m.d.comb += [
            working.eq(busy | back.active | in_flight),
            engine.idle.eq(~working & ~engine.instructions.valid),
            engine.waiting.eq(~working & waiting),
            engine.quiet.eq(1),
            self.array_busy.eq(back.lookup.element.valid),
            self.table_stall.eq(back.table_stall),
            self.weight_stall.eq(engine.waiting & front.wait[Engine.LOAD]),
            self.store_stall.eq(engine.waiting & ~front.wait[Engine.LOAD]),
        ]
        reports = [
            (psums.overflow, ErrorCode.PSUM_OVERFLOW, psums.overflow_address),
            (front.error.valid, front.error.code, front.error.address),
            (back.error.valid, back.error.code, back.error.address),
        ]
        for valid, code, address in reversed(reports):
            with m.If(valid & ~engine.error.valid):
                m.d.sync += [
                    engine.error.valid.eq(1),
                    engine.error.code.eq(code),
                    engine.error.address.eq(address),
                ]
        return m
