"""The LOAD engine: memory to the activation, weight and scale buffers."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, Out, connect, flipped

from .axi_reader import ReadPort
from .bursts import request_beats, row_beats
from .config import Config, bits_for
from .interfaces import BufferWrite, EngineSignature
from .isa import LAYOUTS, Buffer, Engine, ErrorCode, Opcode
from .issue import Issue

__all__ = ["Load"]


@dataclass(frozen=True)
class _Target:
    """One buffer as LOAD sees it: its rows and the beats of each."""

    buffer: Buffer
    port: str
    word_bits: int
    depth: int
    rows: int
    beats: int


def _targets(c: Config) -> list[_Target]:
    words = {
        Buffer.ACT: (c.act_word_bits, c.act_depth),
        Buffer.WEIGHT: (c.weight_word_bits, c.weight_depth),
        Buffer.SCALE: (c.scale_word_bits, c.scale_depth),
    }
    return [
        _Target(
            buffer, f"{buffer.name.lower()}_write", bits, depth,
            rows=depth // c.words_per_row(bits), beats=c.beats_per_row(bits),
        )
        for buffer, (bits, depth) in words.items()
    ]  # fmt: skip


class Load(Component):
    """Executes LOAD: ``buffer[row : row + rows] = memory[address ...]``.

    Two halves run apart: `Issue` checks instructions, waits for their tokens and asks for bursts;
    the receiving half puts the beats where the oldest unfinished instruction wants them, and gives
    its tokens one cycle after its last beat was written. Up to `ahead` instructions lie between the
    two, so that beats of successive LOADs follow each other without a gap, whatever the latency
    of the memory, as long as they have 2 beats or more on average.

    The weight buffer is a ring: the row index wraps at its depth. The others do not wrap.

    Latency: ARVALID rises 5 cycles after an instruction was taken; a beat is written two
    cycles after its handshake on the bus.

    Parameters
    ----------
    config : Config
    ahead : int
        Instructions issued but not finished, at least 1.

    Attributes
    ----------
    engine : Out(EngineSignature)
    memory : Out(ReadPort)
    act_write, weight_write, scale_write : Out(BufferWrite)

    Raises
    ------
    ValueError
        `ahead` is less than 1.
    """

    def __init__(self, config: Config, *, ahead: int = 16) -> None:
        if not ahead >= 1:
            raise ValueError(f"Ahead must be at least 1, not {ahead!r}")
        self._config = config
        self._ahead = ahead
        self._targets = _targets(config)
        super().__init__(
            {
                "engine": Out(EngineSignature()),
                "memory": Out(ReadPort(config)),
                **{t.port: Out(BufferWrite(config, t.word_bits, t.depth)) for t in self._targets},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        engine, targets = self.engine, self._targets
        row_bits = max(bits_for(t.rows) for t in targets)
        extra = data.StructLayout(
            {"buffer": 2, "row": row_bits, "beats": bits_for(request_beats(self._config) + 1)}
        )
        m.submodules.issue = issue = Issue(self._config, Engine.LOAD, extra=extra)
        descriptor = issue.started.payload.shape()
        m.submodules.ahead = ahead = SyncFIFO(width=descriptor.size, depth=self._ahead)

        head = engine.instructions.payload
        fields = LAYOUTS[Opcode.LOAD](head.bits)
        item = issue.items.payload
        m.d.comb += [
            issue.items.valid.eq(engine.instructions.valid),
            engine.instructions.ready.eq(issue.items.ready),
            item.wait.eq(fields.wait),
            item.signal.eq(fields.signal),
            item.address.eq(fields.address),
            item.origin.eq(head.address),
            item.extra.buffer.eq(fields.buffer),
            item.extra.row.eq(fields.row),
            item.extra.beats.eq(item.beats),
            item.code.eq(ErrorCode.ILLEGAL_FIELD),  # of a buffer that does not exist
        ]
        with m.Switch(fields.buffer):
            for t in targets:
                ring = t.buffer == Buffer.WEIGHT
                beyond = (0 if ring else fields.row) + fields.rows > t.rows
                with m.Case(t.buffer):
                    m.d.comb += item.beats.eq(row_beats(fields.rows, t.beats))
                    m.d.comb += item.code.eq(ErrorCode.NONE)
                    with m.If(fields.rows == 0):
                        m.d.comb += item.code.eq(ErrorCode.ILLEGAL_FIELD)
                    with m.Elif(beyond):
                        m.d.comb += item.code.eq(ErrorCode.BUFFER_RANGE)

        connect(m, issue.requests, flipped(self.memory.requests))
        m.d.comb += [
            issue.halt.eq(engine.halt),
            engine.tokens.wait.eq(issue.wait),
            engine.tokens.wait_valid.eq(issue.wait_valid),
            issue.wait_ready.eq(engine.tokens.wait_ready),
            ahead.w_data.eq(issue.started.payload),
            ahead.w_en.eq(issue.started.valid),
            issue.started.ready.eq(ahead.w_rdy),
        ]
        connect(m, issue.error, flipped(engine.error))

        # The receiving half: where the next beat goes.
        following = descriptor(ahead.r_data)
        active, row = Signal(), Signal(row_bits, reset_less=True)
        buffer, signal = Signal(2, reset_less=True), Signal(3, reset_less=True)
        left = Signal.like(following.extra.beats, reset_less=True)
        beat = Signal(range(max(t.beats for t in targets)), reset_less=True)
        final_beat = Signal.like(beat, reset_less=True)
        final, finish = Signal(reset_less=True), Signal()
        m.d.comb += finish.eq(self.memory.valid & final)
        with m.If(self.memory.valid):
            m.d.sync += [left.eq(left - 1), final.eq(left == 2), beat.eq(beat + 1)]
            with m.If(beat == final_beat):
                m.d.sync += [beat.eq(0), row.eq(row + 1)]
        m.d.comb += ahead.r_en.eq(~active | finish)
        with m.If(ahead.r_en):
            m.d.sync += [
                active.eq(ahead.r_rdy),
                buffer.eq(following.extra.buffer),
                signal.eq(following.signal),
                left.eq(following.extra.beats),
                final.eq(following.extra.beats == 1),
                row.eq(following.extra.row),
                beat.eq(0),
            ]
            with m.Switch(following.extra.buffer):
                for t in targets:
                    with m.Case(t.buffer):
                        m.d.sync += final_beat.eq(t.beats - 1)
        # Buffers are far away, and memory's answer comes late.
        to_row, to_beat = Signal.like(row), Signal.like(beat)
        arrived = Signal.like(self.memory.data, name="arrived", reset_less=True)
        m.d.sync += [to_row.eq(row), to_beat.eq(beat), arrived.eq(self.memory.data)]
        for t in targets:
            write = getattr(self, t.port)
            m.d.sync += write.enable.eq(self.memory.valid & (buffer == t.buffer))
            m.d.comb += [write.row.eq(to_row), write.beat.eq(to_beat), write.data.eq(arrived)]

        m.d.sync += [engine.tokens.signal_valid.eq(finish), engine.tokens.signal.eq(signal)]
        moving = ahead.r_rdy | active | engine.tokens.signal_valid
        m.d.comb += [
            engine.idle.eq(~(engine.instructions.valid | issue.busy | moving)),
            engine.waiting.eq(issue.waiting & ~moving),
            engine.quiet.eq(self.memory.quiet),
        ]
        return m
