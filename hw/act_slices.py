"""The activation buffer where tables are fed as a stream: wide as one activation a table."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import BufferWrite

__all__ = ["ActSlices"]


class ActSlices(Component):
    """Buffer of `act_depth` activation words, read a slice at a time.

    A word is ``[lookup_group][tables][rows]`` activations: L slices of `Config.slice_bits`. Slice i
    of all words lies in its own region of `act_depth` rows.

    Latency: as of `hw.scratchpad.Scratchpad`.

    Attributes
    ----------
    write : In(BufferWrite)
    enable, address, part : In
        Read slice `part` of the word at `address`.
    data : Out(slice_bits)
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        super().__init__(
            {
                "write": In(BufferWrite(c, c.act_word_bits, c.act_depth)),
                "enable": In(1),
                "address": In(bits_for(c.act_depth)),
                "part": In(bits_for(c.lookup_group)),
                "data": Out(c.slice_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.memory = memory = Memory(
            shape=c.slice_bits, depth=c.act_depth * c.lookup_group, init=[]
        )
        beats = c.slice_bits // c.axi_bits
        write, read = memory.write_port(granularity=c.axi_bits), memory.read_port()
        part, lane = Signal(range(c.lookup_group)), Signal(beats)
        with m.Switch(self.write.beat):
            for beat in range(beats * c.lookup_group):
                with m.Case(beat):
                    m.d.comb += [part.eq(beat // beats), lane.eq(1 << beat % beats)]
        written = Signal(c.axi_bits, reset_less=True)
        m.d.sync += [
            write.addr.eq(Cat(self.write.row, part)),
            written.eq(self.write.data),
            write.en.eq(lane & self.write.enable.replicate(beats)),
        ]
        m.d.comb += [
            write.data.eq(written.replicate(beats)),
            read.en.eq(self.enable),
            read.addr.eq(Cat(self.address, self.part)),
            self.data.eq(read.data),
        ]
        return m
