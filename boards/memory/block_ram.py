"""On-chip memory of whatever block RAM the tools infer."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In

from .beat_port import BeatPort

__all__ = ["BlockRam"]


class BlockRam(Component):
    """`depth` beats of `data_bits`.

    Reads and writes never meet in one cycle, so that any kind of block RAM will do.

    Latency: a read is answered three cycles after it was taken. One access a cycle.

    Parameters
    ----------
    data_bits : int
        Width of a beat, a multiple of 8.
    depth : int
        Beats.

    Attributes
    ----------
    port : In(BeatPort)
    """

    def __init__(self, data_bits: int, depth: int) -> None:
        self._data_bits = data_bits
        self._depth = depth
        super().__init__({"port": In(BeatPort(data_bits, depth))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.port
        m.submodules.memory = memory = Memory(shape=self._data_bits, depth=self._depth, init=[])
        write, read = memory.write_port(granularity=8), memory.read_port()
        # Many blocks are far from each other: registers on the way to them and back.
        reading, shown = Signal(), Signal()
        data = Signal(self._data_bits, reset_less=True)
        m.d.comb += [port.ready.eq(1), port.read_data.eq(data), read.en.eq(1)]
        m.d.sync += [
            write.addr.eq(port.address),
            write.data.eq(port.data),
            write.en.eq(port.strobe & (port.valid & port.write).replicate(len(port.strobe))),
            read.addr.eq(port.address),
            reading.eq(port.valid & ~port.write),
            shown.eq(reading),
            data.eq(read.data),
            port.read_valid.eq(shown),
        ]
        return m
