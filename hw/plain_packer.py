"""Packs partial-sum words into bus beats where nothing is ever requantised."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .axi_writer import WriteBeat
from .config import Config
from .packer import PsumWord

__all__ = ["PlainPacker"]


class PlainPacker(Component):
    """`hw.packer.Packer` for ``Config.requantise_lanes = 0``: the same ports, beats and cycles.

    Elements are extended to `Config.out_bits`; a word gives ``beats_per_row`` beats, one a cycle.

    Latency: 1 cycle from the word to its first beat.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    words : In(stream of `PsumWord`)
        `requantise` is low.
    beats : Out(stream of `WriteBeat`)
    busy : Out(1)
        Something is on its way.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "words": In(stream.Signature(PsumWord(config))),
                "beats": Out(stream.Signature(WriteBeat(config))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, word, bits = self._config, self.words.payload, self._config.psum_bits
        elements = c.lanes * c.rows
        plain = Signal(data.ArrayLayout(signed(c.out_bits), elements))
        m.d.comb += [
            plain[i].eq(word.psums[i * bits : (i + 1) * bits].as_signed()) for i in range(elements)
        ]
        beats_per_word = c.beats_per_row(c.psum_word_bits)
        part, move = Signal(range(beats_per_word)), Signal()
        beat, full = Signal(c.axi_bits, reset_less=True), Signal()
        m.d.comb += [
            move.eq(self.words.valid & (~full | self.beats.ready)),
            self.words.ready.eq(move & (part == beats_per_word - 1)),
            self.beats.valid.eq(full),
            self.beats.payload.data.eq(beat),
            self.beats.payload.strobe.eq(-1),
            self.busy.eq(full),
        ]
        with m.If(self.beats.ready):
            m.d.sync += full.eq(0)
        with m.If(move):
            m.d.sync += [full.eq(1), part.eq(part + 1)]
            with m.If(self.words.ready):
                m.d.sync += part.eq(0)
            with m.Switch(part):
                for i in range(beats_per_word):
                    with m.Case(i):
                        m.d.sync += beat.eq(plain.as_value().word_select(i, c.axi_bits))
        return m
