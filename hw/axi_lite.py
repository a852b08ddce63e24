"""AXI4-Lite slave: turns the control port into plain register reads and writes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Component, In, Out

from .axi import AxiLite

__all__ = ["AxiLiteSlave", "RegisterPort"]


class RegisterPort(wiring.Signature):
    """Access to 32-bit registers (seen from the bus slave).

    `write` strobes with `write_address`, `write_data` and one `strobe` bit a byte. `read_data` is
    the register at `read_address`, one cycle later. Addresses count registers, not bytes.

    Parameters
    ----------
    addr_bits : int
        Width of an address, at least 1.
    """

    def __init__(self, addr_bits: int) -> None:
        super().__init__(
            {
                "write": Out(1),
                "write_address": Out(addr_bits),
                "write_data": Out(32),
                "strobe": Out(4),
                "read_address": Out(addr_bits),
                "read_data": In(32),
            }
        )


class AxiLiteSlave(Component):
    """AXI4-Lite slave (ARM IHI 0022, chapter B1), one read and one write at a time.

    Address and data of a write may come in either order. Every access is answered with OKAY: what
    registers exist is the business of whoever is behind `registers`. All outputs of the bus
    come from registers, so that READY follows VALID by no wire.

    Latency: a write happens one cycle after the later of its address and data, and BVALID rises
    with it; RVALID rises 3 cycles after the address.

    Parameters
    ----------
    addr_bits : int
        Width of a byte address, 3 to 64.

    Attributes
    ----------
    bus : In(AxiLite)
    registers : Out(RegisterPort)

    Raises
    ------
    TypeError, ValueError
        `addr_bits` is no integer, or outside its range.
    """

    def __init__(self, addr_bits: int) -> None:
        if not isinstance(addr_bits, int) or isinstance(addr_bits, bool):
            raise TypeError(f"Address width must be an integer, not {addr_bits!r}")
        if not 3 <= addr_bits <= 64:
            raise ValueError(f"Address width must be from 3 to 64, not {addr_bits!r}")
        super().__init__(
            {"bus": In(AxiLite(addr_bits)), "registers": Out(RegisterPort(addr_bits - 2))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, registers = self.bus, self.registers

        # `awready` and `wready` are high while nothing is held.
        address_held, data_held, ready = Signal(), Signal(), Signal()
        m.d.comb += [
            bus.awready.eq(ready & ~address_held),
            bus.wready.eq(ready & ~data_held),
            registers.write.eq(address_held & data_held & ~bus.bvalid),
        ]
        m.d.sync += ready.eq(1)  # low during reset, as the standard recommends
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [address_held.eq(1), registers.write_address.eq(bus.awaddr >> 2)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [
                data_held.eq(1),
                registers.write_data.eq(bus.wdata),
                registers.strobe.eq(bus.wstrb),
            ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(registers.write):
            m.d.sync += [bus.bvalid.eq(1), address_held.eq(0), data_held.eq(0)]

        reading, looked_up = Signal(), Signal()
        m.d.comb += bus.arready.eq(ready & ~reading)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [reading.eq(1), registers.read_address.eq(bus.araddr >> 2)]
        m.d.sync += looked_up.eq(reading & ~looked_up & ~bus.rvalid)
        with m.If(looked_up):
            m.d.sync += [bus.rvalid.eq(1), bus.rdata.eq(registers.read_data)]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += [bus.rvalid.eq(0), reading.eq(0)]
        return m
