"""`AxiWriter` writes every beat where it belongs, and confirms every request once."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal

from ...hw.axi_writer import AxiWriter
from ...hw.bursts import beat_address_bits
from .faults import Fault
from .harness import Harness, past, transfer
from .memory_model import claim_addresses
from .small import small_config

__all__ = ["AxiWriterHarness"]

_PATIENCE = 5
_DEPTH = 2
_BURST = ("_BURST = 16", "_BURST = 2")


class AxiWriterHarness(Harness):
    """Any requests of up to three beats, any beats for them, any memory that keeps AXI4's rules.

    Memory takes addresses and data when it likes, one before the other or not, and answers a
    burst at any time after it has both. Bursts have two beats at most, so that requests
    are split. There are no error responses, and nothing is halted.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "refused address lost": Fault(
            AxiWriter, "burst.ready.eq(~bus.awvalid &", "burst.ready.eq(",
            breaks="address_offered",
        ),
        "beat lost": Fault(
            AxiWriter, "client.beats.ready.eq(queue.w_rdy & ", "client.beats.ready.eq(",
            breaks="in_order",
        ),
        "last kept": Fault(
            AxiWriter, "count.eq(Mux(last, 0, count + 1))", "count.eq(count + 1)", breaks="last"
        ),
        "confirmed too early": Fault(
            AxiWriter, "answered & oldest.last &", "answered &", breaks="done"
        ),
        "too many": Fault(
            AxiWriter, "& answers.w_rdy & ~self.halt", "& ~self.halt", breaks="outstanding"
        ),
    }  # fmt: skip

    def build(self, m: Module) -> None:
        c = small_config()
        m.submodules.dut = dut = self.component(AxiWriter, _BURST)(c, outstanding=_DEPTH)
        bus, requests, beats = dut.bus, dut.client.requests, dut.client.beats
        for stream, name in ((requests, "requests"), (beats, "beats")):
            m.d.comb += [
                stream.valid.eq(self.anything(name=f"{name}_valid")),
                stream.payload.eq(self.anything(stream.payload.shape(), name=name)),
            ]
            self.assume_offered(stream)
        self.assume((requests.payload.beats != 0) & (requests.payload.beats <= 3))
        m.d.comb += [
            bus.awready.eq(self.anything(name="awready")),
            bus.wready.eq(self.anything(name="wready")),
        ]
        address_taken, beat_taken = bus.awvalid & bus.awready, bus.wvalid & bus.wready
        # Bursts of which memory has the address, all data, and neither answered.
        with_address, with_data = Signal(3), Signal(3)
        m.d.comb += bus.bvalid.eq(
            self.anything(name="answers") & (with_address != 0) & (with_data != 0)
        )
        m.d.sync += [
            with_address.eq(with_address + address_taken - bus.bvalid),
            with_data.eq(with_data + (beat_taken & bus.wlast) - bus.bvalid),
        ]
        self.claim("outstanding", with_address + bus.awvalid <= _DEPTH)
        self.claim("quiet", ~(dut.client.quiet & (bus.awvalid | (with_address != 0))))

        low = beat_address_bits(c)
        owed = claim_addresses(
            self, low=low, request=requests.payload, taken=transfer(requests),
            address=bus.awaddr, length=bus.awlen, offered=bus.awvalid, passes=address_taken,
        )  # fmt: skip
        self._claim_stays(m, "address_offered", bus.awvalid, bus.awready, bus.awaddr, bus.awlen)
        self._claim_stays(m, "beat_offered", bus.wvalid, bus.wready, bus.wdata, bus.wlast)
        self.claim("no_error", ~dut.error.valid)
        waited = Signal(range(_PATIENCE + 2))
        could = (owed != 0) & bus.awready & (with_address + 1 < _DEPTH) & ~bus.awvalid
        m.d.sync += waited.eq(Mux(could, waited + 1, 0))
        self.claim("none_lost", waited <= _PATIENCE)
        self._claim_data(m, dut)
        self._claim_done(m, dut)

    def _claim_stays(self, m: Module, name: str, valid, ready, *payload) -> None:
        same = Cat(*payload) == past(m, Cat(*payload))
        self.claim(name, ~past(m, valid & ~ready) | (valid & same))

    def _claim_data(self, m: Module, dut: AxiWriter) -> None:
        """Beats pass in order, and bursts of them are as long as their addresses say."""
        bus, beats = dut.bus, dut.client.beats
        taken = bus.wvalid & bus.wready
        item = beats.payload
        passing = self.follow(transfer(beats), Cat(item.data, item.strobe), taken)
        same = Cat(bus.wdata, bus.wstrb) == passing.its
        self.claim("in_order", ~bus.wvalid | (passing.level != 0) & (~passing.due | same))
        self.claim("data_none_lost", bus.wvalid == (passing.level != 0))

        new = bus.awvalid & ~past(m, bus.awvalid & ~bus.awready)
        beat = Signal(2)
        with m.If(taken):
            m.d.sync += beat.eq(Mux(bus.wlast, 0, beat + 1))
        burst = self.follow(new, bus.awlen, taken & bus.wlast)
        right = bus.wlast == (beat == burst.its)
        self.claim("last", ~bus.wvalid | (burst.level != 0) & (~burst.due | right))

    def _claim_done(self, m: Module, dut: AxiWriter) -> None:
        """A request is confirmed one cycle after the answer to its last burst."""
        bus, requests = dut.bus, dut.client.requests
        new = bus.awvalid & ~past(m, bus.awvalid & ~bus.awready)
        its = self.follow(transfer(requests), requests.payload.beats, dut.client.done)
        owed, before, left = Signal(6), Signal(6), Signal(6)
        beats = Mux(new, bus.awlen + 1, 0)
        m.d.sync += owed.eq(owed + Mux(transfer(requests), requests.payload.beats, 0) - beats)
        with m.If(its.entered):
            m.d.sync += [before.eq(owed - beats), left.eq(requests.payload.beats)]
        with m.Elif(before != 0):
            m.d.sync += before.eq(before - beats)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - beats)
        final = new & its.inside & (before == 0) & (left != 0) & (left == bus.awlen + 1)
        # Answers until that to the last burst of the request.
        unanswered, until = Signal(3), Signal(3)
        m.d.sync += unanswered.eq(unanswered + new - bus.bvalid)
        with m.If(final):
            m.d.sync += until.eq(unanswered + 1 - bus.bvalid)
        with m.Elif((until != 0) & bus.bvalid):
            m.d.sync += until.eq(until - 1)
        confirmed = past(m, (until == 1) & bus.bvalid)
        self.claim("done", (dut.client.done & its.due) == confirmed)
        self.claim("done_expected", ~dut.client.done | (its.level != 0))
