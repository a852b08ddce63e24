"""`Fetch` turns a program in memory into its instructions, once each and in order."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...hw.fetch import Fetch
from ...hw.isa import INSTRUCTION_BITS
from .faults import Fault
from .harness import Harness, transfer
from .small import small_config

__all__ = ["FetchHarness"]

_COUNT = 5  # bits of a counter of beats or instructions
_PATIENCE = 4

#: A buffer of 4 beats in place of 32 instructions.
_BUFFER = 4
_SHORT = ("config.fetch_depth * INSTRUCTION_BITS", "1 * INSTRUCTION_BITS")


class FetchHarness(Harness):
    """Any program of up to 15 instructions, any latency of the memory, any stalls of dispatch.

    A beat that came from memory, or the few beats of one instruction, is followed to the output;
    of every 32 bits of it 2 are compared, as all of them go the same way. Besides, the requests
    are exactly the beats of the program, in order, with room for each.

    Parameters
    ----------
    axi_bits : int
        Several beats to an instruction, or several instructions to a beat.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "no room": Fault(Fetch, "room.eq(room - sent + ", "room.eq(room + ", breaks="room"),
        "beat lost": Fault(Fetch, "take.eq(free & beats", "take.eq(beats", breaks="offered"),
        "one more": Fault(Fetch, "unread.eq((size + (1", "unread.eq((size + (2", breaks="requests"),
        "address": Fault(
            Fetch, "with m.If(output.valid & output.ready):", "with m.If(output.ready):",
            breaks="address",
        ),
    }  # fmt: skip

    def __init__(self, fault: str | None = None, *, axi_bits: int) -> None:
        super().__init__(fault)
        lanes = axi_bits // 16
        self._config = small_config(axi_bits=axi_bits, lanes=lanes)

    def build(self, m: Module) -> None:
        c = self._config
        low = (c.axi_bits // 8 - 1).bit_length()
        m.submodules.dut = dut = self.component(Fetch, _SHORT)(c)
        memory, output = dut.memory, dut.instructions
        base = Cat(Const(0, low), self.constant(c.addr_bits - low, name="base"))
        length = self.constant(4, name="length")
        self.assume(base + (length << 4) <= 1 << c.addr_bits)
        started = Signal()
        with m.If(dut.start):
            m.d.sync += started.eq(1)
        outstanding = Signal(_COUNT)
        m.d.comb += [
            dut.start.eq(self.anything(name="start") & ~started),
            dut.base.eq(base),
            dut.length.eq(length),
            memory.requests.ready.eq(self.anything(name="requests_ready")),
            memory.valid.eq(self.anything(name="answers") & (outstanding != 0)),
            memory.data.eq(self.anything(c.axi_bits, name="data")),
            output.ready.eq(self.anything(name="output_ready")),
        ]
        asked = self._claim_requests(m, dut, base, length, low, outstanding)

        # Instructions, from the beats they lie in.
        beats, done = Signal(_COUNT), Signal(_COUNT)
        m.d.sync += [beats.eq(beats + memory.valid), done.eq(done + transfer(output))]
        per_beat, per_instruction = c.axi_bits // INSTRUCTION_BITS, INSTRUCTION_BITS // c.axi_bits
        sample = self._sample(memory.data)
        if per_instruction > 1:
            earlier = Signal(len(sample) * (per_instruction - 1))
            with m.If(memory.valid):
                m.d.sync += earlier.eq(Cat(earlier, sample)[len(sample) :])
            last = beats[: (per_instruction - 1).bit_length()].all()
            held = self.follow(memory.valid & last, Cat(earlier, sample), transfer(output))
            its = held.its
            inside = asked - done * per_instruction
            room = _BUFFER + per_instruction
        else:
            part = done[: (per_beat - 1).bit_length()]
            held = self.follow(memory.valid, sample, transfer(output) & part.all())
            its = held.its.word_select(part, len(sample) // per_beat)
            inside = asked * per_beat - done
            room = _BUFFER * per_beat + 1
        # Whatever was asked for has a place: in the buffer, or in the instruction that is next.
        self.claim("room", inside <= room)
        right = self._sample(output.payload.bits) == its
        self.claim("in_order", ~(output.valid & held.due) | right)
        self.claim("none_added", ~output.valid | ((held.level != 0) & (done < length)))
        self.claim("address", ~(output.valid) | (output.payload.address == base + (done << 4)))
        self.claim("exhausted", ~dut.exhausted | (done == length))
        self.claim_offered(output, "offered")
        self.claim("no_error", ~dut.error.valid)

        eager = output.ready & memory.requests.ready & (memory.valid | (outstanding == 0))
        moved = transfer(output) | transfer(memory.requests) | memory.valid
        waited = Signal(range(_PATIENCE + 2))
        m.d.sync += waited.eq(Mux(eager & started & ~moved & ~dut.exhausted, waited + 1, 0))
        self.claim("none_lost", waited <= _PATIENCE)

    def _claim_requests(
        self, m: Module, dut: Fetch, base: Value, length: Value, low: int, outstanding: Signal
    ) -> Value:
        """Returns how many beats were asked for."""
        request = dut.memory.requests
        asked, wanted = Signal(_COUNT + 3), Signal(_COUNT + 3)
        sent = Mux(transfer(request), request.payload.beats, 0)
        m.d.comb += wanted.eq(((length << 4) + (1 << low) - 1) >> low)
        m.d.sync += [
            asked.eq(asked + sent),
            outstanding.eq(outstanding + sent - dut.memory.valid),
        ]
        right = request.payload.address == (base + (asked << low))[: self._config.addr_bits]
        some = (request.payload.beats != 0) & (request.payload.beats + asked <= wanted)
        self.claim("requests", ~request.valid | (right & some))
        self.claim_offered(request, "requests_offered")
        return asked

    @staticmethod
    def _sample(bits: Value) -> Value:
        return Cat(bits[at : at + 2] for at in range(0, len(bits), 32))
