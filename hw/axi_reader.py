"""The read half of the memory port, shared by FETCH and LOAD."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from .axi import INCR, NORMAL, AxiRead
from .bursts import Bursts, MemoryRequest, beat_address_bits, burst_beats
from .config import Config
from .interfaces import ErrorReport
from .isa import ErrorCode

__all__ = ["AxiReader", "ReadPort"]


class ReadPort(wiring.Signature):
    """A client's access to memory (seen from the client).

    Every requested beat comes once, in the order of the requests, on `data` while `valid`; it
    cannot be refused. `quiet` is high while none is outstanding.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {
                "requests": Out(stream.Signature(MemoryRequest(config))),
                "valid": In(1),
                "data": In(config.axi_bits),
                "quiet": In(1),
            }
        )


class AxiReader(Component):
    """Reads for two clients: FETCH with identifier 0, which goes first, and LOAD with 1.

    Each client has its own splitter, so that FETCH gets in between two bursts of a long LOAD.
    Up to `outstanding` bursts of LOAD are under way at once. `RREADY` is always high, because
    both clients ask only for what they have room for. All outputs of the bus come from registers.

    An error response (RRESP of SLVERR or DECERR) is reported with its burst's address; that beat
    and those after it are withheld from the clients.

    While `halt` is high no burst is begun, requests are dropped and, a cycle later, beats thrown
    away, but bursts under way are counted to their end: this component is not reset with the
    engines. `halt` also clears the error.

    Latency: ARVALID rises two cycles after a request was offered; a beat reaches the client one
    cycle after its handshake. One burst every two cycles, one beat a cycle.

    Parameters
    ----------
    config : Config
    outstanding : int
        Bursts of LOAD under way, 1 to 64.

    Attributes
    ----------
    bus : Out(AxiRead)
    fetch, load : In(ReadPort)
    halt : In(1)
    beat : Out(1)
        Strobe: a beat was received.
    error : Out(ErrorReport)

    Raises
    ------
    ValueError
        `outstanding` is outside its range.
    """

    def __init__(self, config: Config, *, outstanding: int = 16) -> None:
        if not 1 <= outstanding <= 64:
            raise ValueError(f"Outstanding must be from 1 to 64, not {outstanding!r}")
        self._config = config
        self._outstanding = outstanding
        super().__init__(
            {
                "bus": Out(AxiRead(config.addr_bits, data_bits=config.axi_bits)),
                "fetch": In(ReadPort(config)),
                "load": In(ReadPort(config)),
                "halt": In(1),
                "beat": Out(1),
                "error": Out(ErrorReport()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, c = self.bus, self._config
        m.d.comb += [
            bus.arsize.eq(beat_address_bits(c)),
            bus.arburst.eq(INCR),
            bus.arcache.eq(NORMAL),
            bus.rready.eq(1),
        ]

        # Nothing but these registers and ARVALID sees an input of the bus: paths are short, and
        # a simulator has little to compute again when inputs change. Hence no enable on the data.
        received, last, failed, halted = Signal(), Signal(), Signal(), Signal()
        beat = Signal(c.axi_bits, reset_less=True)
        m.d.sync += [
            received.eq(bus.rvalid),
            beat.eq(bus.rdata),
            last.eq(bus.rlast),
            failed.eq(bus.rresp[1]),
            halted.eq(self.halt),
        ]
        m.d.comb += self.beat.eq(received)

        free = ~bus.arvalid
        taken = self.halt
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        m.d.comb += self.error.code.eq(ErrorCode.READ_RESPONSE)
        clients = (("fetch", self.fetch, 4), ("load", self.load, self._outstanding))
        for number, (name, port, depth) in enumerate(clients):
            splitter = Bursts(c, beats=burst_beats(c))
            m.submodules[f"{name}_bursts"] = ResetInserter(self.halt)(splitter)
            # The addresses of the bursts under way, oldest first.
            m.submodules[f"{name}_started"] = started = SyncFIFO(width=c.addr_bits, depth=depth)
            wiring.connect(m, wiring.flipped(port.requests), splitter.requests)
            burst, mine = splitter.bursts, Signal(name=f"{name}_beat")
            go = Signal(name=f"{name}_go")
            m.d.comb += [
                go.eq(burst.valid & free & started.w_rdy & ~taken),
                burst.ready.eq(free & started.w_rdy & ~taken),
                started.w_en.eq(go),
                started.w_data.eq(burst.payload.address),
                started.r_en.eq(mine & last),
                port.valid.eq(mine & ~failed & ~self.error.valid & ~halted),
                port.data.eq(beat),
                port.quiet.eq(started.level == 0),
            ]
            m.d.sync += mine.eq(bus.rvalid & (bus.rid == number))
            with m.If(go):
                m.d.sync += [
                    bus.arvalid.eq(1),
                    bus.arid.eq(number),
                    bus.araddr.eq(burst.payload.address),
                    bus.arlen.eq(burst.payload.length),
                ]
            with m.If(mine & failed & ~self.error.valid):
                m.d.sync += [self.error.valid.eq(1), self.error.address.eq(started.r_data)]
            taken = taken | go
        with m.If(self.halt):
            m.d.sync += self.error.valid.eq(0)
        return m
