"""FETCH: reads the program in order, one instruction after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from .axi_reader import ReadPort
from .bursts import beat_address_bits
from .config import Config, bits_for
from .interfaces import ErrorReport, InstructionStream
from .isa import INSTRUCTION_BITS, ErrorCode

__all__ = ["Fetch"]

#: Instructions that the prefetch buffer holds, and the fewest beats it has.
_AHEAD, _BEATS = 32, 4


class Fetch(Component):
    """Turns the program in memory into a stream of instructions.

    It reads ahead, in pieces of half its buffer of 32 instructions (4 beats where these are more),
    and never past the program's last instruction. A beat of more than 128 bits is split, of
    fewer assembled, lowest bits first.

    A program that does not begin at a multiple of the beat or does not end within the address
    width is reported as `ErrorCode.ADDRESS`, with its base.

    Latency: the first request is offered 2 cycles after `start`; an instruction is offered 2 cycles
    after the (last) beat it is in came. One instruction a cycle, or one in ``128 / axi_bits``.

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
        depth = max(_BEATS, _AHEAD * INSTRUCTION_BITS // c.axi_bits)
        piece = depth // 2
        m.submodules.beats = beats = SyncFIFO(width=c.axi_bits, depth=depth)
        m.d.comb += [beats.w_data.eq(self.memory.data), beats.w_en.eq(self.memory.valid)]

        # One cycle to look at the program, then requests as long as there is room.
        started, checked = Signal(), Signal()
        size = Signal(32 + instruction_bytes)
        m.d.comb += size.eq(self.length << instruction_bytes)
        beyond = self.base + size > 1 << c.addr_bits
        with m.If(self.start):
            m.d.sync += started.eq(1)
        with m.If(started & ~checked):
            m.d.sync += checked.eq(1)
            m.d.sync += self.error.valid.eq(beyond | self.base[:low].any())
        m.d.comb += [
            self.error.code.eq(ErrorCode.ADDRESS),
            self.error.address.eq(self.base),
        ]

        request = self.memory.requests
        unread = Signal(len(size) - low + 1, reset_less=True)
        room = Signal(range(depth + 1), init=depth)
        next_beat = Signal(c.addr_bits - low, reset_less=True)
        running = checked & ~self.error.valid & ~self.halt
        sent = Signal(range(piece + 1))
        m.d.comb += [
            request.payload.address.eq(next_beat << low),
            request.payload.beats.eq(Mux(unread > piece, piece, unread)),
            request.valid.eq(running & (unread != 0) & (room >= piece)),
            sent.eq(Mux(request.valid & request.ready, request.payload.beats, 0)),
        ]
        m.d.sync += [
            room.eq(room - sent + (beats.r_en & beats.r_rdy)),
            next_beat.eq(next_beat + sent),
            unread.eq(unread - sent),
        ]
        with m.If(started & ~checked):
            m.d.sync += [
                next_beat.eq(self.base >> low),
                unread.eq((size + (1 << low) - 1) >> low),
            ]

        output = self.instructions
        left = Signal(32, reset_less=True)
        bits = Signal(INSTRUCTION_BITS, reset_less=True)
        address = Signal(40, reset_less=True)
        free, take = Signal(), Signal()
        m.d.comb += [
            free.eq(~output.valid | output.ready),
            take.eq(free & beats.r_rdy & running),
            output.payload.bits.eq(bits),
            output.payload.address.eq(address),
            self.exhausted.eq(running & ~output.valid & (left == 0)),
        ]
        with m.If(free):
            m.d.sync += output.valid.eq(0)
        with m.If(output.valid & output.ready):
            m.d.sync += address.eq(address + INSTRUCTION_BITS // 8)
        with m.If(started & ~checked):
            m.d.sync += [left.eq(self.length), address.eq(self.base)]

        per_beat, per_instruction = c.axi_bits // INSTRUCTION_BITS, INSTRUCTION_BITS // c.axi_bits
        part = Signal(range(max(per_beat, per_instruction)))
        whole = take & (left != 0)
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
            m.d.sync += [output.valid.eq(1), left.eq(left - 1)]
        return m
