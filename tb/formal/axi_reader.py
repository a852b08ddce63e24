"""`AxiReader` asks memory for what its clients ask for, and gives each its beats, in order."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Module, Mux, Signal

from ...hw.axi_reader import AxiReader
from ...hw.bursts import Bursts, beat_address_bits
from .faults import Fault
from .harness import Harness, past, transfer
from .memory_model import BurstQueue, claim_addresses
from .small import small_config

__all__ = ["AxiReaderHarness"]

_PATIENCE = 4
_CLIENTS = ("fetch", "load")
#: Bursts of each client that may be under way.
_DEPTHS = (4, 2)


class AxiReaderHarness(Harness):
    """Any requests of up to three beats of both clients, any memory that keeps AXI4's rules.

    Memory takes addresses when it likes and answers the bursts of an identifier in their order,
    those of different identifiers in any, beats of one between beats of the other. There are
    no error responses, and nothing is halted.

    Parameters
    ----------
    client : int
        0 for FETCH, 1 for LOAD: whose requests and beats are looked at. The other one does
        what it likes.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "refused address lost": Fault(
            AxiReader, "free = ~bus.arvalid", "free = 1", breaks="offered"
        ),
        "too many": Fault(
            AxiReader, "burst.ready.eq(free & started.w_rdy & ~taken)",
            "burst.ready.eq(free & ~taken)", breaks="none_lost",
        ),
        "both at once": Fault(AxiReader, "taken = taken | go", "pass", breaks="none_lost"),
        "wrong client": Fault(
            AxiReader, "bus.rvalid & (bus.rid == number)", "bus.rvalid", breaks="beats"
        ),
        "quiet too early": Fault(
            AxiReader, "started.r_en.eq(mine & last)", "started.r_en.eq(mine)", breaks="quiet"
        ),
        "offset kept": Fault(Bursts, "offset.eq(0), ", "", breaks="address"),
    }  # fmt: skip

    def __init__(self, fault: str | None = None, *, client: int) -> None:
        super().__init__(fault)
        self._client = client

    def build(self, m: Module) -> None:
        c = small_config()
        m.submodules.dut = dut = self.component(AxiReader)(c, outstanding=_DEPTHS[1])
        bus = dut.bus
        address_taken = bus.arvalid & bus.arready
        m.d.comb += [
            bus.arready.eq(self.anything(name="arready")),
            bus.rdata.eq(self.anything(c.axi_bits, name="rdata")),
        ]
        answers, who = self.anything(name="answers"), self.anything(name="who")
        queues = []
        for number, (name, depth) in enumerate(zip(_CLIENTS, _DEPTHS, strict=True)):
            queue = BurstQueue(
                m, name, depth=depth, push=address_taken & (bus.arid == number),
                length=bus.arlen, pop=bus.rvalid & (bus.rid == number),
            )  # fmt: skip
            with m.If(answers & (who == number) & (queue.level != 0)):
                m.d.comb += [bus.rvalid.eq(1), bus.rid.eq(number), bus.rlast.eq(queue.last)]
            queues.append(queue)
            requests = getattr(dut, name).requests
            m.d.comb += [
                requests.valid.eq(self.anything(name=f"{name}_valid")),
                requests.payload.eq(self.anything(requests.payload.shape(), name=f"{name}_asks")),
            ]
            self.assume_offered(requests)
            self.assume((requests.payload.beats != 0) & (requests.payload.beats <= 3))

        mine, port = bus.arid == self._client, getattr(dut, _CLIENTS[self._client])
        queue, depth = queues[self._client], _DEPTHS[self._client]
        owed = claim_addresses(
            self, low=beat_address_bits(c), request=port.requests.payload,
            taken=transfer(port.requests), address=bus.araddr, length=bus.arlen,
            offered=bus.arvalid & mine, passes=address_taken & mine,
        )  # fmt: skip
        refused = past(m, bus.arvalid & ~bus.arready)
        same = bus.arvalid
        for signal in (bus.araddr, bus.arlen, bus.arid):
            same &= signal == past(m, signal)
        self.claim("offered", ~refused | same)
        self.claim("outstanding", queue.level + (bus.arvalid & mine) <= depth)

        came = past(m, bus.rvalid & (bus.rid == self._client))
        self.claim("beats", port.valid == came)
        self.claim("data", ~came | (port.data == past(m, bus.rdata)))
        under_way = (bus.arvalid & mine) | (queue.level != 0)
        self.claim("quiet", ~(port.quiet & under_way))
        self.claim("no_error", ~dut.error.valid)

        # With room for another burst, what is requested is on the bus soon.
        waited = Signal(range(_PATIENCE + 2))
        could = (owed != 0) & bus.arready & (queue.level + 1 < depth)
        blocked = bus.arvalid & mine
        if self._client:  # FETCH goes first
            blocked |= bus.arvalid
        m.d.sync += waited.eq(Mux(could & ~blocked & ~came, waited + 1, 0))
        self.claim("none_lost", waited <= _PATIENCE)
