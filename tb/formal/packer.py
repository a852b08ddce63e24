"""`Packer` turns words into beats and leaves out, repeats or moves no element."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...hw.config import Config
from ...hw.packer import Packer
from .faults import Fault
from .harness import Harness, transfer
from .small import small_config

__all__ = ["PackerHarness"]

_COUNT = 5  # bits of a counter of beats: more than there are cycles


class PackerHarness(Harness):
    """Any words, as they are or requantised, any instructions' ends, any stalls on both sides.

    The solver chooses one word of the sequence, by its number. Beside the component it is counted
    in which beat, and in which part of it, this word has to lie. Multiplier and shift are 1 and 0,
    so that a requantised partial sum is itself, clipped: the arithmetic is not what is proved here.

    Parameters
    ----------
    elements : int
        Of a word.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "stall ignored": Fault(
            Packer, "free.eq(~full | self.beats.ready)", "free.eq(1)", breaks="offered"
        ),
        "overtakes": Fault(Packer, "& free & ~picked_valid & ~unit.busy", "& free", breaks="plain"),
        "end ignored": Fault(
            Packer, "(following == 0) | out.tag.end", "following == 0", breaks="none_lost"
        ),
        "padding forgotten": Fault(
            Packer,
            "(place | (chunks_per_slot - 1)) + 1",
            "place + 1",
            breaks="requantised",
        ),
    }

    def __init__(self, fault: str | None = None, *, elements: int) -> None:
        super().__init__(fault)
        self._config = small_config(
            lanes=elements, tables=-(-32 // (2 * elements)), act_bits=8, psum_bits=16
        )

    def build(self, m: Module) -> None:
        c = self._config
        m.submodules.dut = dut = self.component(Packer)(c, lanes=1)
        word, new = dut.words.payload, self.anything(dut.words.payload.shape(), name="word")
        m.d.comb += [
            word.psums.eq(new.psums),
            word.last.eq(new.last),
            word.requantise.eq(new.requantise),
            word.multiplier.eq(1),
            word.shift.eq(0),
            dut.words.valid.eq(self.anything(name="words_valid")),
            dut.beats.ready.eq(self.anything(name="beats_ready")),
        ]
        self.assume_offered(dut.words)
        within, treatment = Signal(), Signal()  # of an instruction, all words are treated alike
        self.assume(~within | ~dut.words.valid | (word.requantise == treatment))
        with m.If(transfer(dut.words)):
            m.d.sync += [within.eq(~word.last), treatment.eq(word.requantise)]

        # Where the next word begins.
        stored = c.memory_word_bits(c.requant_word_bits)
        slots, parts = max(1, c.axi_bits // stored), max(1, stored // c.axi_bits)
        plain_parts = c.beats_per_row(c.psum_word_bits)
        beat, slot = Signal(_COUNT), Signal(range(slots))
        ends_beat = ~word.requantise | (slot == slots - 1) | word.last
        beats = Mux(word.requantise, parts, plain_parts)
        with m.If(transfer(dut.words)):
            m.d.sync += slot.eq(Mux(ends_beat, 0, slot + 1))
            with m.If(ends_beat):
                m.d.sync += beat.eq(beat + beats)

        # The chosen word, from when it is offered on.
        number, chosen = Signal(_COUNT), self.constant(_COUNT, name="chosen")
        known, its, its_beat, its_slot = (
            Signal(), Signal.like(word), Signal.like(beat), Signal.like(slot)
        )  # fmt: skip
        with m.If(transfer(dut.words)):
            m.d.sync += number.eq(number + 1)
        with m.If(dut.words.valid & (number == chosen)):
            m.d.sync += [known.eq(1), its.eq(word), its_beat.eq(beat), its_slot.eq(slot)]

        out, given = dut.beats.payload, Signal(_COUNT)
        with m.If(transfer(dut.beats)):
            m.d.sync += given.eq(given + 1)
        part = (given - its_beat)[:_COUNT]
        here = dut.beats.valid & known
        plain, requantised = _images(
            c, its, plain_bits=plain_parts * c.axi_bits, requantised_bits=stored
        )
        right = (out.data == plain.word_select(part, c.axi_bits)) & out.strobe.all()
        self.claim("plain", ~here | its.requantise | (part >= plain_parts) | right)
        strobes = stored // 8 if slots > 1 else c.axi_bits // 8
        self.claim("requantised", ~here | ~its.requantise | (part >= parts)
                   | (out.data.word_select(its_slot, min(stored, c.axi_bits))
                      == requantised.word_select(part, min(stored, c.axi_bits))))  # fmt: skip
        filled = Cat((its_slot >= i).replicate(strobes) for i in range(slots))
        right = ((out.strobe & filled) == filled) & (~its.last | (out.strobe == filled))
        self.claim("strobes", ~here | ~its.requantise | (part >= parts) | right)

        coming = Signal(_COUNT)  # beats that the words accepted or offered give
        m.d.comb += coming.eq(beat + Mux(dut.words.valid & ends_beat, beats, 0))
        self.claim("none_added", ~dut.beats.valid | ((coming - given)[:_COUNT].as_signed() > 0))
        self.claim("none_lost", dut.busy | dut.words.valid | (given == beat))
        self.claim_offered(dut.beats, "offered")
        self._claim_prompt(m, dut, patience=c.lanes + 6)

    def _claim_prompt(self, m: Module, dut: Packer, *, patience: int) -> None:
        """While beats are taken, something passes within `patience` cycles."""
        waited = Signal(range(patience + 2))
        work = dut.busy | dut.words.valid
        moved = transfer(dut.words) | transfer(dut.beats)
        m.d.sync += waited.eq(Mux(dut.beats.ready & work & ~moved, waited + 1, 0))
        self.claim("prompt", waited <= patience)


def _images(c: Config, word, *, plain_bits: int, requantised_bits: int) -> tuple[Value, Value]:
    """A word as it lies in memory: as it is, and requantised."""
    low, high = -(1 << c.act_bits - 1), (1 << c.act_bits - 1) - 1
    plain, requantised = [], []
    for i in range(c.lanes * c.rows):
        psum = word.psums[i * c.psum_bits :][: c.psum_bits].as_signed()
        plain += [psum, psum[-1].replicate(c.out_bits - c.psum_bits)]
        clipped = Mux(psum < low, low, Mux(psum > high, high, psum))
        requantised.append(clipped[: c.requant_bits])
    images = Cat(*plain), Cat(*requantised)
    return (
        Cat(images[0], Const(0, plain_bits - len(images[0]))),
        Cat(images[1], Const(0, requantised_bits - len(images[1]))),
    )
