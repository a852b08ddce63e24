# amaranth: UnusedElaboratable=no
"""What every board is made of: a core, its memory and the link to the host."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ..gen.config_names import config_hash
from ..hw.config import Config
from ..hw.control import REGISTER_ADDRESS_BITS
from ..hw.core import Core
from .link.baud import baud_divisor
from .link.link import Link
from .memory.axi_front import AxiFront
from .memory.kinds import Memory

__all__ = ["System"]


class System(Component):
    """A whole accelerator with a serial line, independent of any board.

    Parameters
    ----------
    config : Config
    memory : Memory
        That core and host share.
    clock_hz : int
        Of the one clock that everything runs on.
    baud : int
        Bits a second on the line.
    buffer_bytes : int
        As of `Link`.

    Attributes
    ----------
    rx : In(1)
    tx : Out(1)
    busy : Out(1)
        A byte is on the line, or a program runs (for a light).
    pins : Out
        Those of the memory, where it has any.

    Raises
    ------
    BaudError
        The clock does not give this rate.
    ValueError
        The memory does not suit the configuration, or another parameter is outside its range.
    """

    def __init__(
        self,
        config: Config,
        *,
        memory: Memory,
        clock_hz: int,
        baud: int = 1_000_000,
        buffer_bytes: int = 2048,
    ) -> None:
        if memory.size > 1 << config.addr_bits:
            raise ValueError(
                f"addr_bits must be at least {(memory.size - 1).bit_length()} for {memory}, "
                f"not {config.addr_bits}"
            )
        self._core = Core(config, config_hash=int(config_hash(config)[:16], 16))
        self._front = AxiFront(
            memory.size, addr_bits=config.addr_bits, data_bits=config.axi_bits, reads=memory.reads
        )
        self._memory = memory.create(config.axi_bits, clock_hz)
        self._link = Link(
            divisor=baud_divisor(clock_hz, baud),
            memory_bytes=memory.size,
            clock_hz=clock_hz,
            buffer_bytes=buffer_bytes,
            register_bits=REGISTER_ADDRESS_BITS,
        )
        members = {"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1)}
        if "pins" in self._memory.signature.members:
            members["pins"] = self._memory.signature.members["pins"]
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = core = self._core
        m.submodules.front = front = self._front
        m.submodules.memory = memory = self._memory
        m.submodules.link = link = self._link
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        m.d.comb += self.busy.eq(~self.rx | ~self.tx | core.m_axi_arvalid | core.m_axi_wvalid)
        _join(m, core, "m_axi", front.read)
        _join(m, core, "m_axi", front.write)
        _join(m, core, "s_axil", link.registers)
        connect(m, link.memory, front.link)
        connect(m, front.beats, memory.port)
        if hasattr(self, "pins"):
            connect(m, memory.pins, flipped(self.pins))
        return m


def _join(m: Module, core: Component, prefix: str, other) -> None:
    """Wire the flat ports of the core to a port of another component, the other end of the bus."""
    for name, member in other.signature.members.items():
        mine, its = getattr(core, f"{prefix}_{name}"), getattr(other, name)
        m.d.comb += mine.eq(its) if member.flow == wiring.Out else its.eq(mine)
