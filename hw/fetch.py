"""FETCH: reads the program in order, one instruction after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out

from .axi_reader import ReadPort
from .bursts import beat_address_bits
from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import INSTRUCTION_BITS, ErrorCode

__all__ = ["Fetch", "prefetch_beats"]

#: The fewest beats that the prefetch buffer has.
_BEATS = 4


def prefetch_beats(config: Config) -> int:
    """Beats of the prefetch buffer: `Config.fetch_depth` instructions, and at least 4."""
    return max(_BEATS, config.fetch_depth * INSTRUCTION_BITS // config.axi_bits)


class Fetch(Component):
    """Turns the program in memory into a stream of instructions.

    It reads ahead, in pieces of half its buffer (`prefetch_beats`), and never past the program's
    last instruction. A beat of more than 128 bits is split, of fewer assembled, lowest bits first.

    A program that does not begin at a multiple of the beat or does not end within the address
    width is reported as `ErrorCode.ADDRESS`, with its base.

    Latency: the first request is offered 4 cycles after `start`; an instruction is offered 2 cycles
    after the (last) beat it is in came, 3 where ``fetch_storage = "bram"``. One instruction a
    cycle, or one in ``128 / axi_bits``.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    start : In(1)
        Strobe: read `length` instructions from byte address `base` on. Once between two resets.
    memory : Out(ReadPort)
    instructions : Out(InstructionStream)
        The address in its payload is valid at any time: that of the next instruction.
    exhausted : Out(1)
        The last instruction of the program was handed over.
    error : Out(ErrorReport)
    halt : In(1)
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "base": In(64),
                "length": In(32),
                "memory": Out(ReadPort(config)),
                "instructions": Out(InstructionStream()),
                "exhausted": Out(1),
                "error": Out(ErrorReport()),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        low = beat_address_bits(c)
        instruction_bytes = bits_for(INSTRUCTION_BITS // 8)
        depth = prefetch_beats(c)
        piece = depth // 2
        queue = SyncFIFOBuffered if c.fetch_storage == "bram" else SyncFIFO
        m.submodules.beats = beats = queue(width=c.axi_bits, depth=depth)
        m.d.comb += [beats.w_data.eq(self.memory.data), beats.w_en.eq(self.memory.valid)]

        # Two cycles to look at the program, then requests as long as there is room. Everything is
        # as wide as memory; what goes beyond it is an error.
        bits_of_beats, bits_of_length = c.addr_bits - low + 1, c.addr_bits - instruction_bytes + 1
        started, measured, checked = Signal(), Signal(), Signal()
        length = self.length[:bits_of_length]
        size = Signal(c.addr_bits + 1)
        end, far = Signal(c.addr_bits + 2, reset_less=True), Signal(reset_less=True)
        m.d.comb += size.eq(length << instruction_bytes)
        with m.If(self.start):
            m.d.sync += started.eq(1)
        with m.If(started & ~measured):
            m.d.sync += [
                measured.eq(1),
                end.eq(self.base[: c.addr_bits] + size),
                far.eq(
                    self.base[c.addr_bits :].any()
                    | self.base[:low].any()
                    | self.length[bits_of_length:].any()
                ),
            ]
        with m.If(measured & ~checked):
            m.d.sync += [checked.eq(1), self.error.valid.eq(far | (end > 1 << c.addr_bits))]
        m.d.comb += [
            self.error.code.eq(ErrorCode.ADDRESS),
            self.error.address.eq(self.base),
        ]

        # A request is made up in one cycle and offered from the next.
        request = self.memory.requests
        unread = Signal(bits_of_beats, reset_less=True)
        room = Signal(range(depth + 1), init=depth)
        next_beat = Signal(c.addr_bits - low, reset_less=True)
        asked, asked_beats = Signal(), Signal(range(piece + 1), reset_less=True)
        running = Signal()
        sent = Signal(range(piece + 1))
        m.d.comb += [
            running.eq(checked & ~self.error.valid & ~self.halt),
            request.payload.address.eq(next_beat << low),
            request.payload.beats.eq(asked_beats),
            request.valid.eq(running & asked),
            sent.eq(Mux(request.valid & request.ready, asked_beats, 0)),
        ]
        m.d.sync += [
            room.eq(room - sent + (beats.r_en & beats.r_rdy)),
            next_beat.eq(next_beat + sent),
            unread.eq(unread - sent),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += asked.eq(0)
        with m.If(running & ~asked):
            m.d.sync += [
                asked.eq((unread != 0) & (room >= piece)),
                asked_beats.eq(Mux(unread >= piece, piece, unread)),
            ]
        with m.If(started & ~measured):
            m.d.sync += [
                next_beat.eq(self.base >> low),
                unread.eq((size + (1 << low) - 1) >> low),
            ]

        output = self.instructions
        left, some_left = Signal(bits_of_length, reset_less=True), Signal(reset_less=True)
        bits = Signal(INSTRUCTION_BITS, reset_less=True)
        address = Signal(c.addr_bits + 1, reset_less=True)
        free, take = Signal(), Signal()
        m.d.comb += [
            free.eq(~output.valid | output.ready),
            take.eq(free & beats.r_rdy & running),
            output.payload.bits.eq(bits),
            output.payload.address.eq(address),
            self.exhausted.eq(running & ~output.valid & ~some_left),
        ]
        with m.If(free):
            m.d.sync += output.valid.eq(0)
        with m.If(output.valid & output.ready):
            m.d.sync += address.eq(address + INSTRUCTION_BITS // 8)
        with m.If(started & ~measured):
            m.d.sync += [
                left.eq(length), some_left.eq(self.length.any()),
                address.eq(self.base[: c.addr_bits]),
            ]  # fmt: skip

        per_beat, per_instruction = c.axi_bits // INSTRUCTION_BITS, INSTRUCTION_BITS // c.axi_bits
        part = Signal(range(max(per_beat, per_instruction)))
        whole = take & some_left
        if per_instruction > 1:
            last_part = part == per_instruction - 1
            m.d.comb += beats.r_en.eq(take)
            with m.If(take):
                m.d.sync += [bits.eq(Cat(bits[c.axi_bits :], beats.r_data)), part.eq(part + 1)]
            whole = whole & last_part
        else:
            m.d.comb += beats.r_en.eq(take & (part == per_beat - 1))
            with m.If(take):
                m.d.sync += part.eq(part + 1)
                with m.Switch(part):
                    for i in range(per_beat):
                        with m.Case(i):
                            m.d.sync += bits.eq(beats.r_data.word_select(i, INSTRUCTION_BITS))
        with m.If(whole):
            m.d.sync += [output.valid.eq(1), left.eq(left - 1), some_left.eq(left != 1)]
        return m
