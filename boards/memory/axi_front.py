"""From the AXI4 port of the core and the word port of the link to the beats of one memory."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from ...hw.axi import INCR, AxiRead, AxiWrite
from ...hw.config import bits_for
from ..link.word_port import WordPort
from .beat_port import BeatPort

__all__ = ["AxiFront"]

_OKAY, _SLVERR, _DECERR = 0, 2, 3


class AxiFront(Component):
    """AXI4 slave (ARM IHI 0022) that shares a memory with the host link.

    Reads and writes take turns beat by beat; the link, which asks rarely, goes first. Bursts are
    served one after the other in each direction, so that all identifiers are in order. INCR bursts
    of whole beats are understood; others are answered with SLVERR, and beats beyond the memory
    with DECERR, changing nothing. VALID of every channel comes from a register or a queue.

    Latency: with a memory that answers in one cycle, RVALID rises 3 cycles after the address was
    taken; one beat a cycle while only one side asks (one in three cycles with ``reads = 1``), and
    one idle cycle between two bursts.

    Parameters
    ----------
    size : int
        Bytes of memory, from address 0 on; a multiple of the beat.
    addr_bits, data_bits, id_bits : int
        Of the AXI4 port.
    reads : int
        Beats that are being read or wait to be taken, at least 1.

    Attributes
    ----------
    read : In(AxiRead)
    write : In(AxiWrite)
    link : In(WordPort)
        The link keeps within `size`.
    beats : Out(BeatPort)

    Raises
    ------
    TypeError, ValueError
        A width is none that AXI4 has, `size` does not fit it, or `reads` is less than 1.
    """

    def __init__(
        self, size: int, *, addr_bits: int, data_bits: int, id_bits: int = 1, reads: int = 8
    ) -> None:
        widths = {"data_bits": data_bits, "id_bits": id_bits}
        read, write = AxiRead(addr_bits, **widths), AxiWrite(addr_bits, **widths)
        beat = data_bits // 8
        if not (beat <= size <= 1 << addr_bits and size % beat == 0):
            raise ValueError(
                f"Size must be a multiple of {beat} from {beat} to 2**{addr_bits} bytes, "
                f"not {size!r}"
            )
        if not reads >= 1:
            raise ValueError(f"Reads must be at least 1, not {reads!r}")
        self._reads = reads
        self._depth = size // beat
        self._low = bits_for(beat)
        self._data_bits = data_bits
        self._id_bits = id_bits
        super().__init__(
            {
                "read": In(read),
                "write": In(write),
                "link": In(WordPort()),
                "beats": Out(BeatPort(data_bits, self._depth)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beats, link = self.beats, self.link
        taken = beats.valid & beats.ready

        # The burst under way in each direction.
        tag = data.StructLayout({"link": 1, "id": self._id_bits, "last": 1, "resp": 2})
        read_beat = self._burst(m, "read", self.read, "ar")
        write_beat = self._burst(m, "write", self.write, "aw")

        # What is being read, oldest first: for the bus or for the link.
        m.submodules.tags = tags = SyncFIFO(width=tag.size, depth=2 * self._reads)
        answer = data.StructLayout({"data": self._data_bits, "tag": tag})
        m.submodules.answers = answers = SyncFIFO(width=answer.size, depth=self._reads)
        reads = Signal(range(self._reads + 1))
        popped = self.read.rvalid & self.read.rready

        # Whose turn it is.
        link_busy, link_go, read_next = Signal(), Signal(), Signal()
        read_go, write_go = Signal(), Signal()
        can_read = read_beat["active"] & (reads != self._reads)
        can_write = write_beat["active"] & self.write.wvalid & ~self.write.bvalid
        m.d.comb += [
            read_go.eq(can_read & ~link_go & (read_next | ~can_write)),
            write_go.eq(can_write & ~link_go & ~read_go),
        ]
        write_good = write_beat["resp"] == _OKAY
        link_lanes = self._data_bits // 32
        lane = link.address[2 : self._low] if link_lanes > 1 else 0
        m.d.comb += [
            beats.valid.eq(link_go | read_go | write_go),
            beats.write.eq(Mux(link_go, link.write, write_go)),
            beats.address.eq(
                Mux(
                    link_go,
                    link.address >> self._low,
                    Mux(read_go, read_beat["address"], write_beat["address"]),
                )
            ),
            beats.data.eq(Mux(link_go, link.data.replicate(link_lanes), self.write.wdata)),
            beats.strobe.eq(
                Mux(
                    link_go,
                    link.strobe << (lane << 2 if link_lanes > 1 else 0),
                    Mux(write_good, self.write.wstrb, 0),
                )
            ),
        ]

        # Reads: the tag goes with the beat, and both meet again when it is answered.
        pushed, first = tag(tags.w_data), tag(tags.r_data)
        entry, shown = answer(answers.w_data), answer(answers.r_data)
        m.d.comb += [
            tags.w_en.eq(taken & ~beats.write),
            pushed.link.eq(link_go),
            pushed.id.eq(read_beat["id"]),
            pushed.last.eq(read_beat["left"] == 0),
            pushed.resp.eq(read_beat["resp"]),
            tags.r_en.eq(beats.read_valid),
            answers.w_en.eq(beats.read_valid & ~first.link),
            entry.data.eq(beats.read_data),
            entry.tag.eq(first),
            self.read.rvalid.eq(answers.r_rdy),
            self.read.rdata.eq(shown.data),
            self.read.rid.eq(shown.tag.id),
            self.read.rlast.eq(shown.tag.last),
            self.read.rresp.eq(shown.tag.resp),
            answers.r_en.eq(self.read.rready),
            read_beat["step"].eq(taken & read_go),
        ]
        m.d.sync += reads.eq(reads + (taken & read_go) - popped)

        # Writes: the response comes when the last beat is in.
        worst = Signal(2)
        m.d.comb += [
            self.write.wready.eq(write_go & beats.ready),
            write_beat["step"].eq(taken & write_go),
        ]
        with m.If(self.write.bready):
            m.d.sync += self.write.bvalid.eq(0)
        with m.If(write_beat["step"]):
            m.d.sync += worst.eq(worst | write_beat["resp"])
            with m.If(write_beat["left"] == 0):
                m.d.sync += [
                    self.write.bvalid.eq(1),
                    self.write.bid.eq(write_beat["id"]),
                    self.write.bresp.eq(worst | write_beat["resp"]),
                    worst.eq(0),
                ]
        with m.If(taken & ~link_go):
            m.d.sync += read_next.eq(write_go)

        m.d.sync += link.done.eq(0)
        # A request is seen a cycle late: its path through the link is a long one.
        m.d.sync += link_go.eq(link.request & ~link_busy)
        with m.If(taken & link_go):
            m.d.sync += [link_go.eq(0), link_busy.eq(1), link.done.eq(link.write)]
        with m.If(beats.read_valid & first.link):
            word = beats.read_data.word_select(lane, 32)
            m.d.sync += [link.done.eq(1), link.read_data.eq(word)]
        with m.If(link.done):
            m.d.sync += link_busy.eq(0)
        return m

    def _burst(self, m: Module, name: str, bus, channel: str) -> dict[str, Signal]:
        """Takes addresses, and counts their beats; `step` moves on to the next one."""
        member = {n: getattr(bus, f"{channel}{n}") for n in
                  ("valid", "ready", "addr", "len", "size", "burst", "id")}  # fmt: skip
        index_bits = len(member["addr"]) - self._low
        b = {
            "active": Signal(name=f"{name}_active"),
            "address": Signal(index_bits, name=f"{name}_beat"),
            "left": Signal(8, name=f"{name}_left"),
            "id": Signal(self._id_bits, name=f"{name}_id"),
            "resp": Signal(2, name=f"{name}_resp"),
            "step": Signal(name=f"{name}_step"),
        }
        unknown = Signal(name=f"{name}_unknown")
        outside = b["address"] >= self._depth
        m.d.comb += [
            member["ready"].eq(~b["active"]),
            b["resp"].eq(Mux(unknown, _SLVERR, Mux(outside, _DECERR, _OKAY))),
        ]
        with m.If(b["step"]):
            m.d.sync += [b["address"].eq(b["address"] + 1), b["left"].eq(b["left"] - 1)]
            with m.If(b["left"] == 0):
                m.d.sync += b["active"].eq(0)
        with m.If(member["valid"] & member["ready"]):
            aligned = member["addr"][: self._low] == 0
            m.d.sync += [
                b["active"].eq(1),
                b["address"].eq(member["addr"] >> self._low),
                b["left"].eq(member["len"]),
                b["id"].eq(member["id"]),
                unknown.eq((member["burst"] != INCR) | (member["size"] != self._low) | ~aligned),
            ]
        return b
