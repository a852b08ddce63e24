"""The STORE engine: partial sums to memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, Out, connect, flipped

from .axi_writer import WritePort
from .bursts import row_beats
from .config import Config, bits_for
from .interfaces import EngineSignature, PsumRead
from .isa import LAYOUTS, Engine, ErrorCode, Opcode
from .issue import Issue
from .packer import Packer, check_lanes
from .plain_packer import PlainPacker
from .requantise import MULTIPLIER_BITS, SHIFT_BITS

__all__ = ["Store", "words_ahead"]

#: Beats of partial sums that may be on their way from COMPUTE, so that one leaves every cycle.
_BEATS_AHEAD = 8


class Store(Component):
    """Executes STORE: ``memory[address ...] = psum[base : base + words]``, maybe requantised.

    Words are read through `psums` as far ahead as their buffer here has room, packed into beats
    (see `Packer`) and written in bursts. The tokens of an instruction are given one cycle after
    memory has confirmed its last burst; the following ones are under way by then.

    Latency: the first word is asked for 4 cycles after an instruction was taken; WVALID rises 3
    cycles after its word came (7, and a cycle for each further group of elements, where it is
    requantised).

    Parameters
    ----------
    config : Config
    lanes : int
        Elements requantised a cycle, a power of two; 0 refuses what is to be requantised.
    unconfirmed : int
        Instructions begun and not confirmed by memory, at least 1.

    Attributes
    ----------
    engine : Out(EngineSignature)
    memory : Out(WritePort)
    psums : Out(PsumRead)

    Raises
    ------
    ValueError
        `lanes` is neither 0 nor a power of two, or `unconfirmed` is less than 1.
    """

    def __init__(self, config: Config, *, lanes: int = 4, unconfirmed: int = 8) -> None:
        if not unconfirmed >= 1:
            raise ValueError(f"Unconfirmed must be at least 1, not {unconfirmed!r}")
        self._config = config
        self._lanes = lanes and check_lanes(lanes)
        self._unconfirmed = unconfirmed
        super().__init__(
            {
                "engine": Out(EngineSignature()),
                "memory": Out(WritePort(config)),
                "psums": Out(PsumRead(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, engine = self._config, self.engine
        # Nothing of it is kept where nothing is requantised.
        used = 1 if self._lanes else 0
        treatment = data.StructLayout(
            {
                "requantise": used,
                "multiplier": MULTIPLIER_BITS * used,
                "shift": SHIFT_BITS * used,
            }
        )
        extra = data.StructLayout(
            {
                "base": bits_for(c.psum_depth),
                "words": bits_for(c.psum_depth + 1),
                "treatment": treatment,
            }
        )
        m.submodules.issue = issue = Issue(c, Engine.STORE, extra=extra)

        head = engine.instructions.payload
        fields = LAYOUTS[Opcode.STORE](head.bits)
        item = issue.items.payload
        connect(m, issue.error, flipped(engine.error))
        connect(m, issue.requests, flipped(self.memory.requests))
        m.d.comb += [
            issue.items.valid.eq(engine.instructions.valid),
            engine.instructions.ready.eq(issue.items.ready),
            issue.halt.eq(engine.halt),
            engine.tokens.wait.eq(issue.wait),
            engine.tokens.wait_valid.eq(issue.wait_valid),
            issue.wait_ready.eq(engine.tokens.wait_ready),
            item.wait.eq(fields.wait),
            item.signal.eq(fields.signal),
            item.address.eq(fields.address),
            item.origin.eq(head.address),
            item.extra.base.eq(fields.psum_base),
            item.extra.words.eq(fields.words),
            item.extra.treatment.requantise.eq(fields.requantise),
            item.extra.treatment.multiplier.eq(fields.multiplier),
            item.extra.treatment.shift.eq(fields.shift),
            item.beats.eq(_beats(c, c.psum_word_bits, fields.words)),
        ]
        illegal = fields.words == 0
        if self._lanes:
            with m.If(fields.requantise):
                m.d.comb += item.beats.eq(_beats(c, c.requant_word_bits, fields.words))
        else:
            illegal = illegal | fields.requantise
        with m.If(illegal):
            m.d.comb += item.code.eq(ErrorCode.ILLEGAL_FIELD)
        with m.Elif(fields.psum_base + fields.words > c.psum_depth):
            m.d.comb += item.code.eq(ErrorCode.BUFFER_RANGE)

        # Tokens of the instructions begun, given as memory confirms them.
        m.submodules.signals = signals = SyncFIFO(width=3, depth=self._unconfirmed)
        started = issue.started
        left, going = Signal(bits_for(c.psum_depth + 1), reset_less=True), Signal()
        address = Signal(bits_for(c.psum_depth), reset_less=True)
        treat = Signal(treatment, reset_less=True)
        m.d.comb += [
            started.ready.eq(~going & signals.w_rdy),
            signals.w_en.eq(started.valid & started.ready),
            signals.w_data.eq(started.payload.signal),
            signals.r_en.eq(self.memory.done),
        ]
        m.d.sync += [
            engine.tokens.signal_valid.eq(self.memory.done),
            engine.tokens.signal.eq(signals.r_data),
        ]

        # Words on their way: `tags` has one for each that was asked for, `words` those that came.
        depth = words_ahead(c)
        m.submodules.tags = tags = SyncFIFO(width=treatment.size + 1, depth=depth)
        m.submodules.words = words = SyncFIFO(width=len(self.psums.data), depth=depth)
        packer = Packer(c, lanes=self._lanes) if self._lanes else PlainPacker(c)
        m.submodules.packer = packer
        word = packer.words
        asked = Signal()
        m.d.comb += [
            self.psums.valid.eq(going & tags.w_rdy & ~engine.halt),
            self.psums.address.eq(address),
            asked.eq(self.psums.valid & self.psums.ready),
            tags.w_en.eq(asked),
            tags.w_data.eq(Cat(left == 1, treat)),
            words.w_en.eq(self.psums.data_valid),
            words.w_data.eq(self.psums.data),
            word.valid.eq(words.r_rdy),
            word.payload.psums.eq(words.r_data),
            Cat(
                word.payload.last,
                word.payload.requantise,
                word.payload.multiplier,
                word.payload.shift,
            ).eq(tags.r_data),
            words.r_en.eq(word.ready),
            tags.r_en.eq(word.ready & word.valid),
        ]
        connect(m, packer.beats, flipped(self.memory.beats))
        with m.If(asked):
            m.d.sync += [left.eq(left - 1), going.eq(left != 1), address.eq(address + 1)]
        with m.If(started.valid & started.ready):
            m.d.sync += [
                going.eq(1),
                left.eq(started.payload.extra.words),
                address.eq(started.payload.extra.base),
                treat.eq(started.payload.extra.treatment),
            ]

        moving = (signals.level != 0) | engine.tokens.signal_valid
        m.d.comb += [
            engine.idle.eq(~(engine.instructions.valid | issue.busy | moving)),
            engine.waiting.eq(issue.waiting & ~moving),
            engine.quiet.eq(self.memory.quiet),
        ]
        return m


def words_ahead(config: Config) -> int:
    """Words that may be on their way from COMPUTE: so many that a beat leaves every cycle."""
    full = max(2, -(-_BEATS_AHEAD // config.beats_per_row(config.psum_word_bits)))
    return min(full, config.store_depth)


def _beats(c: Config, word_bits: int, words):
    """Beats that a number of words takes in memory: the last one may be filled in part."""
    share = c.words_per_row(word_bits)
    return (row_beats(words, c.beats_per_row(word_bits)) + share - 1) >> bits_for(share)
