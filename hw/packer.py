"""Packs partial-sum words into bus beats, as they are or requantised."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .axi_writer import WriteBeat
from .config import Config, bits_for
from .requantise import MULTIPLIER_BITS, SHIFT_BITS, Requantise

__all__ = ["Packer", "PsumWord", "check_lanes"]


def PsumWord(config: Config) -> data.StructLayout:  # noqa: N802 (a layout, used like a class)
    """One word of ``[lanes][rows]`` partial sums, and what STORE wants done with it."""
    return data.StructLayout(
        {
            "psums": config.lanes * config.rows * config.psum_bits,
            "last": 1,  # of its instruction
            "requantise": 1,
            "multiplier": MULTIPLIER_BITS,
            "shift": SHIFT_BITS,
        }
    )


def check_lanes(lanes: int) -> int:
    """Return `lanes`, or raise `ValueError` where it is no power of two."""
    if not (lanes >= 1 and lanes & (lanes - 1) == 0):
        raise ValueError(f"Lanes must be a power of two, not {lanes!r}")
    return lanes


class Packer(Component):
    """Partial-sum words in, beats of memory out.

    As they are, elements are extended to `Config.out_bits`, and a word gives ``beats_per_row``
    beats, one a cycle. Requantised, `lanes` elements a cycle are put where they belong: several
    words share a beat where `Config.memory_word_bits` says so. Unused bits are 0. Strobes are set
    for the places of all words that came, padding included; the rest of an instruction's last
    beat is left unchanged in memory.

    Latency: 1 cycle from the word to its first beat; requantised, 5 cycles to the beat's last
    element.

    Parameters
    ----------
    config : Config
    lanes : int
        Elements requantised a cycle, a power of two. Fewer are built where a word or a beat
        has fewer.

    Attributes
    ----------
    words : In(stream of `PsumWord`)
    beats : Out(stream of `WriteBeat`)
    busy : Out(1)
        Something is on its way.

    Raises
    ------
    ValueError
        `lanes` is no power of two.
    """

    def __init__(self, config: Config, *, lanes: int = 4) -> None:
        self._config = config
        self._elements = config.lanes * config.rows
        # A group of elements must neither straddle two beats nor two words.
        in_word = 1 << bits_for(self._elements)
        self._lanes = min(check_lanes(lanes), in_word, config.axi_bits // config.requant_bits)
        super().__init__(
            {
                "words": In(stream.Signature(PsumWord(config))),
                "beats": Out(stream.Signature(WriteBeat(config))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, elements, lanes = self._config, self._elements, self._lanes
        word, psum_bits = self.words.payload, c.psum_bits
        psums = [
            word.psums[i * psum_bits : (i + 1) * psum_bits].as_signed() for i in range(elements)
        ]

        # The beat under construction. It is offered once `full`.
        beat = Signal(c.axi_bits, reset_less=True)
        full, free = Signal(), Signal()
        chunk_bits = lanes * c.requant_bits
        slot_bits = min(c.memory_word_bits(c.requant_word_bits), c.axi_bits)
        slots = c.axi_bits // slot_bits
        filled = Signal(slots, reset_less=True)
        m.d.comb += [
            free.eq(~full | self.beats.ready),
            self.beats.valid.eq(full),
            self.beats.payload.data.eq(beat),
            self.beats.payload.strobe.eq(Cat(f.replicate(slot_bits // 8) for f in filled)),
        ]
        with m.If(self.beats.ready):
            m.d.sync += full.eq(0)

        # As they are: a beat a cycle, once everything requantised before has left.
        tag = data.StructLayout({"last": 1, "end": 1})
        m.submodules.requantise = unit = Requantise(c, lanes=lanes, tag=tag)
        picked, picked_valid = Signal.like(unit.i.payload, reset_less=True), Signal()
        plain = Signal(data.ArrayLayout(signed(c.out_bits), elements))
        m.d.comb += [plain[i].eq(p) for i, p in enumerate(psums)]
        beats_per_word = c.beats_per_row(c.psum_word_bits)
        part = Signal(range(beats_per_word))
        move, move_last = Signal(), Signal()
        m.d.comb += [
            move.eq(self.words.valid & ~word.requantise & free & ~picked_valid & ~unit.busy),
            move_last.eq(move & (part == beats_per_word - 1)),
        ]
        with m.If(move):
            m.d.sync += [full.eq(1), filled.eq(-1), part.eq(part + 1)]
            with m.If(move_last):
                m.d.sync += part.eq(0)
            with m.Switch(part):
                for i in range(beats_per_word):
                    with m.Case(i):
                        m.d.sync += beat.eq(plain.as_value().word_select(i, c.axi_bits))

        # Requantised: a group of elements a cycle into the unit ...
        groups = -(-elements // lanes)
        group = Signal(range(groups))
        pick, pick_last = Signal(), Signal()
        m.d.comb += [
            pick.eq(self.words.valid & word.requantise & (~picked_valid | unit.i.ready)),
            pick_last.eq(pick & (group == groups - 1)),
            self.words.ready.eq(move_last | pick_last),
            unit.i.valid.eq(picked_valid),
            unit.i.payload.eq(picked),
            self.busy.eq(full | picked_valid | unit.busy),
        ]
        with m.If(unit.i.ready):
            m.d.sync += picked_valid.eq(0)
        with m.If(pick):
            m.d.sync += [
                picked_valid.eq(1),
                picked.multiplier.eq(word.multiplier),
                picked.shift.eq(word.shift),
                picked.tag.last.eq(pick_last),
                picked.tag.end.eq(pick_last & word.last),
                group.eq(group + 1),
            ]
            with m.If(pick_last):
                m.d.sync += group.eq(0)
            with m.Switch(group):
                for i in range(groups):
                    with m.Case(i):
                        some = psums[i * lanes : (i + 1) * lanes]
                        some = [*some, *[0] * (lanes - len(some))]
                        m.d.sync += [picked.psums[k].eq(p) for k, p in enumerate(some)]

        # ... and out of it into the beat; the first one clears the rest.
        chunks, chunks_per_slot = c.axi_bits // chunk_bits, slot_bits // chunk_bits
        place, following = Signal(range(chunks)), Signal(range(chunks))
        out, done = unit.o.payload, Signal()
        padded = (place | (chunks_per_slot - 1)) + 1
        m.d.comb += [
            unit.o.ready.eq(free),
            following.eq(place + 1),
            done.eq((following == 0) | out.tag.end),
        ]
        with m.If(out.tag.last):
            m.d.comb += following.eq(padded)
        with m.If(unit.o.valid & free):
            m.d.sync += [full.eq(done), place.eq(following)]
            with m.If(out.tag.end):
                m.d.sync += place.eq(0)
            with m.If(place == 0):
                m.d.sync += beat.eq(0)
            with m.Switch(place):
                for i in range(chunks):
                    with m.Case(i):
                        m.d.sync += [
                            beat.word_select(i, chunk_bits).eq(out.values),
                            filled.eq((2 << i // chunks_per_slot) - 1),
                        ]
        return m
