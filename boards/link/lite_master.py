"""From the link's word port to an AXI4-Lite master."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ...hw.axi import AxiLite
from .word_port import WordPort

__all__ = ["LiteMaster"]


class LiteMaster(Component):
    """Turns each access into one AXI4-Lite transaction (ARM IHI 0022, chapter B1).

    The response code is not looked at: what registers there are is checked by their slave, which
    answers OKAY in every case, and by the link, which knows the size of the register space.

    Latency: that of the slave, and one cycle.

    Parameters
    ----------
    addr_bits : int
        Width of the bus's byte address.

    Attributes
    ----------
    port : In(WordPort)
    bus : Out(AxiLite)
    """

    def __init__(self, addr_bits: int) -> None:
        super().__init__({"port": In(WordPort()), "bus": Out(AxiLite(addr_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port, bus, busy = self.port, self.bus, Signal()
        m.d.comb += [
            bus.awaddr.eq(port.address),
            bus.wdata.eq(port.data),
            bus.wstrb.eq(port.strobe),
            bus.araddr.eq(port.address),
            bus.bready.eq(1),
            bus.rready.eq(1),
            port.done.eq(bus.bvalid | bus.rvalid),
            port.read_data.eq(bus.rdata),
        ]
        with m.If(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        with m.If(bus.wready):
            m.d.sync += bus.wvalid.eq(0)
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        with m.If(port.done):
            m.d.sync += busy.eq(0)
        with m.Elif(port.request & ~busy):
            m.d.sync += [
                busy.eq(1),
                bus.awvalid.eq(port.write),
                bus.wvalid.eq(port.write),
                bus.arvalid.eq(~port.write),
            ]
        return m
