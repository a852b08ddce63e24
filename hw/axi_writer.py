"""The write half of the memory port, used by STORE."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from .axi import INCR, NORMAL, AxiWrite
from .bursts import Bursts, MemoryRequest, beat_address_bits, burst_beats
from .config import Config
from .interfaces import ErrorReport
from .isa import ErrorCode

__all__ = ["AxiWriter", "WriteBeat", "WritePort"]

#: Longest burst in beats. STORE delivers slowly, and a burst under way can block other masters.
_BURST = 16


def WriteBeat(config: Config) -> data.StructLayout:  # noqa: N802 (a layout, used like a class)
    """One beat to write; `strobe` has a bit for each byte that is to change."""
    return data.StructLayout({"data": config.axi_bits, "strobe": config.axi_bits // 8})


class WritePort(wiring.Signature):
    """A client's access to memory (seen from the client).

    For every request the client gives its beats on `beats`, in order. `done` strobes once for
    every request, in order, when memory has confirmed all of its bursts. `quiet` is high while no
    burst is outstanding.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {
                "requests": Out(stream.Signature(MemoryRequest(config))),
                "beats": Out(stream.Signature(WriteBeat(config))),
                "done": In(1),
                "quiet": In(1),
            }
        )


class AxiWriter(Component):
    """Writes for one client, as bursts of up to 16 beats.

    Addresses and data go their own ways: a burst's first beat may come before, with or after its
    address (ARM IHI 0022, A3.3 allows all three). Up to `outstanding` bursts wait for their
    responses. `BREADY` is always high. No input of the bus reaches an output, nor anything but a
    few registers, within its cycle.

    An error response (BRESP of SLVERR or DECERR) is reported with its burst's address.

    While `halt` is high no burst is begun and requests are dropped; bursts whose address is out
    get the beats they still lack with empty strobes, so that memory is left unchanged and the bus
    free. This component is not reset with the engines. `halt` also clears the error.

    Latency: AWVALID rises 2 cycles after a request was offered; WVALID one cycle after a beat was,
    and not before AWVALID. One beat a cycle, across bursts and requests; one in two cycles where
    `outstanding` is 1.

    Parameters
    ----------
    config : Config
    outstanding : int
        Bursts under way, 1 to 64.

    Attributes
    ----------
    bus : Out(AxiWrite)
    client : In(WritePort)
    halt : In(1)
    beat : Out(1)
        Strobe: a beat of the client was taken.
    error : Out(ErrorReport)

    Raises
    ------
    ValueError
        `outstanding` is outside its range.
    """

    def __init__(self, config: Config, *, outstanding: int = 8) -> None:
        if not 1 <= outstanding <= 64:
            raise ValueError(f"Outstanding must be from 1 to 64, not {outstanding!r}")
        self._config = config
        self._outstanding = outstanding
        super().__init__(
            {
                "bus": Out(AxiWrite(config.addr_bits, data_bits=config.axi_bits)),
                "client": In(WritePort(config)),
                "halt": In(1),
                "beat": Out(1),
                "error": Out(ErrorReport()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, client, c = self.bus, self.client, self._config
        splitter = Bursts(c, beats=min(_BURST, burst_beats(c)))
        m.submodules.bursts = ResetInserter(self.halt)(splitter)
        wiring.connect(m, wiring.flipped(client.requests), splitter.requests)
        burst = splitter.bursts

        # Of the bursts under way, oldest first: what is to be answered, and what is to be sent.
        answer = data.StructLayout({"address": c.addr_bits, "last": 1})
        m.submodules.answers = answers = SyncFIFO(width=answer.size, depth=self._outstanding)
        m.submodules.lengths = lengths = SyncFIFO(width=8, depth=self._outstanding)
        go = burst.valid & burst.ready
        pushed = answer(answers.w_data)
        m.d.comb += [
            bus.awsize.eq(beat_address_bits(c)),
            bus.awburst.eq(INCR),
            bus.awcache.eq(NORMAL),
            burst.ready.eq(~bus.awvalid & answers.w_rdy & ~self.halt),
            answers.w_en.eq(go),
            pushed.address.eq(burst.payload.address),
            pushed.last.eq(burst.payload.last),
            lengths.w_en.eq(go),  # never full: its bursts are a part of those in `answers`
            lengths.w_data.eq(burst.payload.length),
        ]
        with m.If(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        with m.If(go):
            m.d.sync += [
                bus.awvalid.eq(1),
                bus.awaddr.eq(burst.payload.address),
                bus.awlen.eq(burst.payload.length),
            ]

        # Data, through a queue that hides WREADY from all before it.
        sent = data.StructLayout({"beat": WriteBeat(c), "last": 1})
        m.submodules.queue = queue = SyncFIFO(width=sent.size, depth=min(2, self._outstanding))
        count, send, last = Signal(8), Signal(), Signal()
        head, tail = sent(queue.r_data), sent(queue.w_data)
        m.d.comb += [
            client.beats.ready.eq(queue.w_rdy & lengths.r_rdy & ~self.halt),
            send.eq(queue.w_rdy & lengths.r_rdy & (client.beats.valid | self.halt)),
            last.eq(count == lengths.r_data),
            lengths.r_en.eq(send & last),
            queue.w_en.eq(send),
            tail.beat.data.eq(client.beats.payload.data),
            tail.beat.strobe.eq(Mux(self.halt, 0, client.beats.payload.strobe)),
            tail.last.eq(last),
            self.beat.eq(client.beats.valid & client.beats.ready),
            bus.wvalid.eq(queue.r_rdy),
            bus.wdata.eq(head.beat.data),
            bus.wstrb.eq(head.beat.strobe),
            bus.wlast.eq(head.last),
            queue.r_en.eq(bus.wready),
        ]
        with m.If(send):
            m.d.sync += count.eq(Mux(last, 0, count + 1))

        # Responses.
        answered, failed = Signal(), Signal(reset_less=True)
        oldest = answer(answers.r_data)
        m.d.sync += [answered.eq(bus.bvalid), failed.eq(bus.bresp[1])]
        m.d.comb += [
            bus.bready.eq(1),
            answers.r_en.eq(answered),
            client.done.eq(answered & oldest.last & ~failed & ~self.error.valid & ~self.halt),
            client.quiet.eq(answers.level == 0),
            self.error.code.eq(ErrorCode.WRITE_RESPONSE),
        ]
        with m.If(answered & failed & ~self.error.valid):
            m.d.sync += [self.error.valid.eq(1), self.error.address.eq(oldest.address)]
        with m.If(self.halt):
            m.d.sync += self.error.valid.eq(0)
        return m
