"""Ring of received bytes that keeps whole frames only: each is committed or rolled back."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

__all__ = ["PacketBuffer"]

#: Frames that can wait; the host has no more than that under way.
_FRAMES = 8


class PacketBuffer(Component):
    """Stores bytes as they come, and shows them to the reader once their frame is known to be good.

    A frame that finds no room is forgotten as a whole, and so is the mark of a damaged one: the
    host will repeat what is not answered.

    Latency: a committed frame is offered three cycles later, its first byte one more. One byte a
    cycle in, one every three cycles out: a serial line is slower than either.

    Parameters
    ----------
    depth : int
        Bytes, a power of two from 64 to 65536.
    tail : int
        Bytes at the end of each frame that are not kept (its CRC).

    Attributes
    ----------
    data : In(8)
    push : In(1)
        Strobe: `data` belongs to the present frame.
    commit, reject : In(1)
        Strobe, not with `push`: the present frame ends, good or damaged.
    overflow : Out(1)
        Strobe: a frame was forgotten.
    frames : Out(stream of lengths)
        In order; 0 stands for a damaged frame. Taking one also takes what is left of its bytes.
    bytes : Out(stream of 8 bits)
        Of the frame at the head of `frames`, and only of that.

    Raises
    ------
    ValueError
        `depth` is outside its range or no power of two.
    """

    def __init__(self, depth: int, *, tail: int) -> None:
        if not 64 <= depth <= 65536 or depth & (depth - 1):
            raise ValueError(f"Depth must be a power of two from 64 to 65536, not {depth!r}")
        self._depth = depth
        self._tail = tail
        self._bits = depth.bit_length() - 1
        super().__init__(
            {
                "data": In(8),
                "push": In(1),
                "commit": In(1),
                "reject": In(1),
                "overflow": Out(1),
                "frames": Out(stream.Signature(self._bits + 1)),
                "bytes": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self._depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.submodules.lengths = lengths = SyncFIFOBuffered(width=self._bits + 1, depth=_FRAMES)

        # Positions count modulo twice the depth, so that a full ring differs from an empty one.
        start, end = Signal(self._bits + 1), Signal(self._bits + 1)  # of the present frame
        first, here = Signal(self._bits + 1), Signal(self._bits + 1)  # of the frame being read
        full, lost, length = Signal(), Signal(), Signal(self._bits + 1)
        m.d.comb += [
            full.eq((end ^ first) == self._depth),
            length.eq(end - start),
            write.addr.eq(end),
            write.data.eq(self.data),
            write.en.eq(self.push & ~full),
        ]
        with m.If(self.push):
            m.d.sync += lost.eq(lost | full)
            with m.If(~full):
                m.d.sync += end.eq(end + 1)
        keep = Signal()
        m.d.comb += [
            keep.eq(self.commit & ~lost & lengths.w_rdy),
            lengths.w_en.eq(keep | (self.reject & lengths.w_rdy)),
            lengths.w_data.eq(Mux(self.commit, length - self._tail, 0)),
            self.overflow.eq((self.commit & ~keep) | (self.reject & ~lengths.w_rdy)),
        ]
        with m.If(self.commit | self.reject):
            m.d.sync += [lost.eq(0), end.eq(start)]
            with m.If(keep):
                m.d.sync += [start.eq(end - self._tail), end.eq(end - self._tail)]

        # The end of the frame is worked out once; then `ready` tells that the byte is there.
        following, last = Signal.like(here), Signal.like(here)
        settled, ready = Signal(), Signal()
        moved = Signal()
        m.d.sync += [
            last.eq(first + lengths.r_data),
            settled.eq(lengths.r_rdy & ~moved),
            ready.eq(settled & (here != last) & ~moved),
            here.eq(following),
        ]
        m.d.comb += [
            self.frames.valid.eq(settled),
            self.frames.payload.eq(lengths.r_data),
            lengths.r_en.eq(settled & self.frames.ready),
            self.bytes.valid.eq(ready),
            self.bytes.payload.eq(read.data),
            following.eq(here),
            read.addr.eq(following),
        ]
        with m.If(self.frames.valid & self.frames.ready):
            m.d.comb += [following.eq(last), moved.eq(1)]
            m.d.sync += first.eq(last)
        with m.Elif(self.bytes.valid & self.bytes.ready):
            m.d.comb += [following.eq(here + 1), moved.eq(1)]
        return m
