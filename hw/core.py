"""The top: engines, memory port and control registers of one accelerator."""

from __future__ import annotations

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib.wiring import Component, Out, connect

from .axi import AxiLite, AxiRead, AxiWrite, connect_ports, ports
from .axi_lite import AxiLiteSlave
from .axi_reader import AxiReader
from .axi_writer import AxiWriter
from .compute import Compute
from .config import Config
from .control import ERROR_SOURCES, REGISTER_ADDRESS_BITS, Controller
from .dispatch import Dispatch
from .fetch import Fetch
from .load import Load
from .store import Store
from .tokens import Tokens

__all__ = ["Core"]


class Core(Component):
    """One accelerator: clock `clk`, synchronous reset `rst` (takes effect one cycle later).

    FETCH, DISPATCH, the three engines and their tokens are reset before every program; the memory
    port is not, so that it can count what is still under way.

    Parameters
    ----------
    config : Config
    config_hash : int
        64 bits that identify the configuration, readable in the control registers.

    Attributes
    ----------
    m_axi_* : AXI4 master
        Memory: `Config.axi_bits` of data, one identifier bit.
    s_axil_* : AXI4-Lite slave
        Control registers, a page of 4 KiB (`hw.registers`).
    irq : Out(1)
        High from the end of a program until the next one starts.

    Raises
    ------
    TypeError
        `config` is no `Config`.
    """

    def __init__(self, config: Config, *, config_hash: int) -> None:
        if not isinstance(config, Config):
            raise TypeError(f"Config must be a Config, not {config!r}")
        self._config = config
        self._config_hash = config_hash
        widths = {"data_bits": config.axi_bits}
        super().__init__(
            {
                **ports("m_axi", AxiRead(config.addr_bits, **widths)),
                **ports("m_axi", AxiWrite(config.addr_bits, **widths)),
                **ports("s_axil", AxiLite(REGISTER_ADDRESS_BITS).flip()),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        # The reset passes through a register, and with it all next states depend on registers only.
        # Timing of the reset net gains by it, and so does simulation: Verilator evaluates
        # whatever depends on an input of the top twice a cycle.
        reset = Signal(init=1)
        m.domains.core = ClockDomain(local=True)
        m.d.sync += reset.eq(0)
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(reset)]
        core = DomainRenamer("core")

        slave = AxiLiteSlave(REGISTER_ADDRESS_BITS)
        control = Controller(
            c.axi_bits // 8,
            config_hash=self._config_hash,
            counters=c.counters,
            error_addresses=c.error_addresses,
            addr_bits=c.addr_bits if c.compact else None,
        )
        reader = AxiReader(c, outstanding=c.load_depth)
        writer = AxiWriter(c, outstanding=c.store_depth)
        fetch, dispatch, tokens = Fetch(c), Dispatch(depth=c.queue_depth), Tokens()
        load, compute = Load(c, ahead=c.load_depth), Compute(c)
        store = Store(c, lanes=c.requantise_lanes, unconfirmed=c.store_depth)
        m.submodules.slave = core(slave)
        m.submodules.control = core(control)
        m.submodules.reader = core(reader)
        m.submodules.writer = core(writer)
        # A domain, so that one register alone is what resets the engines.
        m.domains.engines = ClockDomain(local=True)
        m.d.comb += ClockSignal("engines").eq(ClockSignal())
        m.d.comb += ResetSignal("engines").eq(control.reset_engines)
        fresh = DomainRenamer("engines")
        m.submodules.fetch = fresh(fetch)
        m.submodules.dispatch = fresh(dispatch)
        m.submodules.tokens = fresh(tokens)
        m.submodules.load = fresh(load)
        m.submodules.compute = fresh(compute)
        m.submodules.store = fresh(store)

        connect_ports(m, self, "s_axil", slave.bus)
        connect_ports(m, self, "m_axi", reader.bus)
        connect_ports(m, self, "m_axi", writer.bus)
        connect(m, slave.registers, control.registers)
        connect(m, fetch.memory, reader.fetch)
        connect(m, load.memory, reader.load)
        connect(m, store.memory, writer.client)
        connect(m, fetch.instructions, dispatch.instructions)
        connect(m, load.act_write, compute.act_write)
        connect(m, load.weight_write, compute.weight_write)
        connect(m, load.scale_write, compute.scale_write)
        connect(m, store.psums, compute.psum_read)

        engines = {"load": load.engine, "compute": compute.engine, "store": store.engine}
        for name, engine in engines.items():
            connect(m, getattr(dispatch, name), engine.instructions)
            connect(m, engine.tokens, getattr(tokens, name))
            m.d.comb += engine.halt.eq(control.halt)
        m.d.comb += [
            dispatch.idle.eq(Cat(e.idle for e in engines.values())),
            dispatch.waiting.eq(Cat(e.waiting for e in engines.values())),
            dispatch.quiet.eq(control.quiet),
            dispatch.exhausted.eq(fetch.exhausted),
        ]

        reports = {
            "reader": reader.error,
            "writer": writer.error,
            "fetch": fetch.error,
            "dispatch": dispatch.error,
            **{name: engine.error for name, engine in engines.items()},
            "tokens": tokens.error,
        }
        for source in ERROR_SOURCES:
            connect(m, reports[source], getattr(control, f"{source}_error"))
        m.d.comb += [reader.halt.eq(control.halt), writer.halt.eq(control.halt)]
        m.d.comb += [fetch.halt.eq(control.halt), dispatch.halt.eq(control.halt)]
        m.d.comb += [
            fetch.start.eq(control.start),
            fetch.base.eq(control.base),
            fetch.length.eq(control.length),
            control.done.eq(dispatch.done),
            control.quiet.eq(fetch.memory.quiet & Cat(e.quiet for e in engines.values()).all()),
            control.array_busy.eq(compute.array_busy),
            control.table_stall.eq(compute.table_stall),
            control.weight_stall.eq(compute.weight_stall),
            control.store_stall.eq(compute.store_stall),
            control.read_beat.eq(reader.beat),
            control.write_beat.eq(writer.beat),
            self.irq.eq(control.irq),
        ]
        return m
