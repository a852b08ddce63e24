"""`Bursts` cuts requests into bursts and leaves out, repeats or moves no beat."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Module, Signal

from ...hw.bursts import Bursts, MemoryRequest, beat_address_bits
from .faults import Fault
from .harness import Harness, transfer
from .small import small_config

__all__ = ["BurstsHarness"]

#: Longest burst, in beats.
_LONGEST = 4


class BurstsHarness(Harness):
    """Any requests, any stalls on both sides: the bursts cover exactly what is asked for.

    The address that the next burst must begin at and the beats it may still have are counted
    beside the component.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "refused burst lost": Fault(
            Bursts, "m.If(active & self.bursts.ready)", "m.If(active)", breaks="offered"
        ),
        "offset kept": Fault(Bursts, "offset.eq(0), ", "", breaks="in_order"),
        "crosses": Fault(Bursts, "room = ~offset", "room = offset | -1", breaks="aligned"),
    }

    def build(self, m: Module) -> None:
        config = small_config()
        low = beat_address_bits(config)
        m.submodules.dut = dut = self.component(Bursts)(config, beats=_LONGEST)
        request = self.anything(MemoryRequest(config), name="request")
        m.d.comb += [
            dut.requests.valid.eq(self.anything(name="requests_valid")),
            dut.requests.payload.eq(request),
            dut.bursts.ready.eq(self.anything(name="bursts_ready")),
        ]
        self.assume_offered(dut.requests)
        self.assume(request.beats != 0)

        # What is still owed of the one request that is in work.
        next_address, left = Signal.like(request.address), Signal.like(request.beats)
        burst, beats = dut.bursts.payload, Signal.like(request.beats)
        m.d.comb += beats.eq(burst.length + 1)
        with m.If(transfer(dut.bursts)):
            m.d.sync += [next_address.eq(next_address + (beats << low)), left.eq(left - beats)]
        with m.If(transfer(dut.requests)):
            m.d.sync += [next_address.eq(request.address >> low << low), left.eq(request.beats)]

        offered = dut.bursts.valid
        within = burst.address[low:][: (_LONGEST - 1).bit_length()]
        done = (left == 0) | (transfer(dut.bursts) & (beats == left))
        self.claim("in_order", ~offered | (burst.address == next_address))
        self.claim("none_added", ~offered | (burst.length < left))
        self.claim("none_lost", ~transfer(dut.requests) | done)
        self.claim("prompt", offered == (left != 0))
        self.claim("last", ~offered | (burst.last == (beats == left)))
        self.claim("aligned", ~offered | (within + burst.length < _LONGEST))
        self.claim_offered(dut.bursts, "offered")
