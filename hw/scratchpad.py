"""On-chip buffer: written one bus beat at a time, read one word at a time."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import BufferWrite

__all__ = ["Scratchpad"]


class Scratchpad(Component):
    """Buffer of `depth` words of `word_bits`, one write port (LOAD) and one read port.

    A word of one bus beat or more is one memory row, written in beats. Smaller words share a
    row of one beat, and the low address bits pick one when reading.

    Latency: a word is on `data` one cycle after `enable`, and stays until the next `enable`. What
    is written can be read two cycles later, and not one cycle later, which tokens keep programs
    from.

    Parameters
    ----------
    config : Config
    word_bits : int
        Useful bits of a word.
    depth : int
        Number of words, a power of two.
    """

    def __init__(self, config: Config, *, word_bits: int, depth: int) -> None:
        self._share = config.words_per_row(word_bits)
        self._stride = config.memory_word_bits(word_bits)
        self._beat = config.axi_bits
        self._word_bits = word_bits
        self._rows = depth // self._share
        super().__init__(
            {
                "write": In(BufferWrite(config, word_bits, depth)),
                "enable": In(1),
                "address": In(bits_for(depth)),
                "data": Out(word_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row_bits = max(self._stride, self._beat)
        m.submodules.memory = memory = Memory(shape=row_bits, depth=self._rows, init=[])
        write = memory.write_port(granularity=self._beat if row_bits > self._beat else None)
        read = memory.read_port()
        beats = row_bits // self._beat
        # Many block memories lie far from LOAD: each enable comes to them from a register.
        written = Signal(self._beat, reset_less=True)
        m.d.sync += [
            write.addr.eq(self.write.row),
            written.eq(self.write.data),
            write.en.eq(self.write.enable << self.write.beat if beats > 1 else self.write.enable),
        ]
        m.d.comb += [
            write.data.eq(written.replicate(beats)),
            read.en.eq(self.enable),
            read.addr.eq(self.address >> bits_for(self._share)),
        ]
        if self._share == 1:
            m.d.comb += self.data.eq(read.data)
        else:
            part = Signal(bits_for(self._share), reset_less=True)
            with m.If(self.enable):
                m.d.sync += part.eq(self.address)
            m.d.comb += self.data.eq(read.data.word_select(part, self._stride))
        return m
