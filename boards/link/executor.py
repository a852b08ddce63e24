"""Executes the requests of the host: sequence numbers, checks, accesses, replies."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from .frame import (
    HEADER_BYTES,
    LINK_IDENTITY,
    REGISTER_BYTES,
    SEQUENCES,
    SPACES,
    Command,
    Header,
    LinkWord,
    Space,
    Status,
)
from .framer import MessageByte
from .word_port import WordPort

__all__ = ["Executor"]


class Executor(Component):
    """Takes frames from a `PacketBuffer`, does what they ask for, and gives the replies.

    Its rules are those of `frame`, and `model.LinkModel` is the same in software. The answer
    REFUSED depends on the frame alone, so that a repetition gets it again.

    Latency: about 20 cycles and, for every word, the access to it; a small part of what the frame
    takes on the line.

    Parameters
    ----------
    memory_bytes : int
        Size of the memory, from address 0 on; below 2**32.
    clock_hz : int
    buffer_bytes : int
        Told to the host (`LinkWord`).

    Attributes
    ----------
    frames, bytes : In(stream)
        Of a `PacketBuffer`.
    reply : Out(stream of `MessageByte`)
    damaged, overflow : In(1)
        Strobes to count.
    registers, memory : Out(WordPort)

    Raises
    ------
    ValueError
        A size is outside 32 bits.
    """

    def __init__(self, *, memory_bytes: int, clock_hz: int, buffer_bytes: int) -> None:
        words = {"Memory": memory_bytes, "Clock": clock_hz, "Buffer": buffer_bytes}
        for name, value in words.items():
            if not 0 < value < 1 << 32:
                raise ValueError(f"{name} must be from 1 to 2**32 - 1, not {value!r}")
        self._memory_bytes = memory_bytes
        self._constants = {
            LinkWord.IDENTITY: LINK_IDENTITY,
            LinkWord.MEMORY_BYTES: memory_bytes,
            LinkWord.CLOCK_HZ: clock_hz,
            LinkWord.BUFFER_BYTES: buffer_bytes,
        }
        super().__init__(
            {
                "frames": In(stream.Signature(buffer_bytes.bit_length())),
                "bytes": In(stream.Signature(8)),
                "reply": Out(stream.Signature(MessageByte)),
                "damaged": In(1),
                "overflow": In(1),
                "registers": Out(WordPort()),
                "memory": Out(WordPort()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header, reply = Signal(Header), self.reply.payload
        index = Signal(range(HEADER_BYTES))
        synced, expected = Signal(), Signal(range(SEQUENCES))

        # What the header asks for.
        space, known, writes = Signal(Space), Signal(), Signal()
        with m.Switch(header.code):
            for command in Command:
                with m.Case(command):
                    m.d.comb += [known.eq(1), writes.eq(command.writes)]
                    m.d.comb += space.eq(SPACES.get(command, Space.LINK))
        hello = header.code == Command.HELLO
        sizes = {
            Space.REGISTERS: REGISTER_BYTES,
            Space.MEMORY: self._memory_bytes,
            Space.LINK: 4 * len(LinkWord),
        }
        behind, size, inside, aligned = Signal(33), Signal(33), Signal(), Signal()
        with m.Switch(space):
            for which, its_size in sizes.items():
                with m.Case(which):
                    m.d.comb += size.eq(its_size)
        m.d.comb += [behind.eq(header.address + header.count), inside.eq(behind <= size)]
        m.d.comb += aligned.eq(
            (space == Space.MEMORY) | ~Cat(header.address[:2], header.count[:2]).any()
        )
        # These are registers: the paths from the header through adders and comparisons are long.
        good, new, ahead = Signal(), Signal(), Signal()
        length = HEADER_BYTES + Mux(writes, header.count, 0)
        distance = (header.sequence - expected)[: expected.shape().width]
        m.d.sync += [
            good.eq(known & (hello | (inside & aligned)) & (self.frames.payload == length)),
            new.eq(distance == 0),
            ahead.eq((distance != 0) & ~distance[-1]),
        ]

        cycles = Signal(32)
        counts = {"damaged": Signal(16), "overflow": Signal(16)}
        m.d.sync += cycles.eq(cycles + 1)
        for name, count in counts.items():
            m.d.sync += count.eq(count + getattr(self, name))
        words = {
            **self._constants,
            LinkWord.CYCLES: cycles,
            LinkWord.DAMAGED: counts["damaged"],
            LinkWord.OVERFLOWS: counts["overflow"],
        }

        # The access under way: `place` walks through the bytes; a word is moved at a time.
        place, left = Signal(range(max(sizes.values()))), Signal(16)
        word, strobe = Signal(32), Signal(4)
        ports = {Space.REGISTERS: self.registers, Space.MEMORY: self.memory}
        # A cycle after the answer, nothing is asked for again.
        answered, answer, access = Signal(), Signal(32), Signal()
        # From CHECK on; besides, the header turns as it is sent.
        where, storing = Signal(Space), Signal()
        done = Signal()
        m.d.sync += done.eq(answered & access & ~done)
        for which, port in ports.items():
            m.d.comb += [
                port.request.eq(access & ~done & (where == which)),
                port.write.eq(storing),
                port.address.eq(Cat(0, 0, place[2:])),
                port.data.eq(word),
                port.strobe.eq(strobe),
            ]
            with m.If(where == which):
                m.d.comb += [answered.eq(port.done), answer.eq(port.read_data)]
        with m.If(where == Space.LINK):
            m.d.comb += answered.eq(1)
            with m.Switch(place[2:5]):
                for which, value in words.items():
                    with m.Case(which // 4):
                        m.d.comb += answer.eq(value)

        status, more = Signal(Status), Signal()
        turned = Cat(header.as_value()[8:], header.as_value()[:8])  # eight times: as before
        sent = self.reply.valid & self.reply.ready
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [index.eq(0), more.eq(0), strobe.eq(0)]
                with m.If(self.frames.valid):
                    m.next = "HEADER"
                    with m.If(self.frames.payload == 0):
                        m.d.sync += [header.eq(0), status.eq(Status.DAMAGED)]
                        m.next = "FINISH"
            with m.State("HEADER"):
                m.d.comb += self.bytes.ready.eq(1)
                with m.If(self.bytes.valid):
                    m.d.sync += header.eq(Cat(header.as_value()[8:], self.bytes.payload))
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == HEADER_BYTES - 1):
                        m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [place.eq(header.address), left.eq(header.count)]
                m.d.sync += [where.eq(space), storing.eq(writes)]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += status.eq(Status.OK)
                m.next = "FINISH"
                with m.If(hello & good):
                    m.d.sync += [synced.eq(1), expected.eq(header.sequence + 1)]
                with m.Elif(~synced):
                    m.d.sync += status.eq(Status.FRESH)
                with m.Elif(ahead):
                    m.d.sync += status.eq(Status.MISSED)
                with m.Else():
                    m.d.sync += expected.eq(expected + new)
                    with m.If(~good):
                        m.d.sync += status.eq(Status.REFUSED)
                    with m.Elif(~writes):
                        m.d.sync += more.eq(header.count != 0)
                    with m.Elif(new & (header.count != 0)):
                        m.next = "GATHER"

            # A write: bytes into a word, the word to its place.
            with m.State("GATHER"):
                m.d.comb += self.bytes.ready.eq(1)
                with m.If(self.bytes.valid):
                    m.d.sync += [
                        word.word_select(place[:2], 8).eq(self.bytes.payload),
                        strobe.bit_select(place[:2], 1).eq(1),
                        left.eq(left - 1),
                    ]
                    with m.If((place[:2] == 3) | (left == 1)):
                        m.next = "PUT"
                    with m.Else():
                        m.d.sync += place.eq(place + 1)
            with m.State("PUT"):
                m.d.comb += access.eq(1)
                with m.If(done):
                    m.d.sync += [place.eq(place + 1), strobe.eq(0)]
                    m.next = "GATHER"
                    with m.If(left == 0):
                        m.next = "FINISH"

            # The reply. What a read asked for is read as it is sent.
            with m.State("FINISH"):
                m.d.comb += self.frames.ready.eq(1)
                m.d.sync += index.eq(0)
                m.next = "REPLY"
            with m.State("REPLY"):
                m.d.comb += [
                    self.reply.valid.eq(1),
                    reply.data.eq(Mux(index == 0, status, header.as_value()[:8])),
                    reply.last.eq((index == HEADER_BYTES - 1) & ~more),
                ]
                with m.If(sent):
                    m.d.sync += [index.eq(index + 1), header.eq(turned)]
                    with m.If(index == HEADER_BYTES - 1):
                        m.next = "IDLE"
                        with m.If(more):
                            m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += access.eq(1)
                with m.If(~done):
                    m.d.sync += word.eq(answer)
                with m.Else():
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [
                    self.reply.valid.eq(1),
                    reply.data.eq(word.word_select(place[:2], 8)),
                    reply.last.eq(left == 1),
                ]
                with m.If(sent):
                    m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.next = "IDLE"
                    with m.Elif(place[:2] == 3):
                        m.next = "FETCH"
        return m
