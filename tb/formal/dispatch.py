"""`Dispatch` gives every instruction to its engine, once and in order."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Array, Cat, Module, Mux, Signal

from lutra.hw.dispatch import Dispatch
from lutra.hw.isa import ENGINES, LAYOUTS, Opcode

from .faults import Fault
from .harness import Harness, transfer

__all__ = ["DispatchHarness"]

_COUNT = 5  # bits of a counter of instructions: more than there are cycles
_COMPARED = 16  # bits of an instruction that are followed; all are stored alike


class DispatchHarness(Harness):
    """Any instructions, legal or not; any stalls of the engines; halt at any time.

    The solver chooses one engine and one number: the instruction of this number that was taken
    for this engine is the one of this number that the engine gets.

    Parameters
    ----------
    depth : int
        Of the queues.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "full queue": Fault(
            Dispatch, "gone.eq(able & queue.w_rdy)", "gone.eq(able)", breaks="none_lost"
        ),
        "taken too early": Fault(
            Dispatch, "ready.eq(~held_valid | gone)", "ready.eq(1)", breaks="in_order"
        ),
        "given twice": Fault(
            Dispatch, "m.d.sync += [held_valid.eq(self.instructions.valid), held",
            "m.d.sync += [held_valid.eq(held_valid | self.instructions.valid), held",
            breaks="none_added",
        ),
        "ends too early": Fault(
            Dispatch, "self.idle.all() & ~Cat(q.r_rdy for q in queues).any()", "self.idle.all()",
            breaks="done",
        ),
    }  # fmt: skip

    def __init__(self, fault: str | None = None, *, depth: int) -> None:
        super().__init__(fault)
        self._depth = depth

    def build(self, m: Module) -> None:
        m.submodules.dut = dut = self.component(Dispatch)(depth=self._depth)
        source = dut.instructions
        outputs = [dut.load, dut.compute, dut.store]
        m.d.comb += [
            source.valid.eq(self.anything(name="valid")),
            source.payload.eq(self.anything(source.payload.shape(), name="instruction")),
            Cat(o.ready for o in outputs).eq(self.anything(3, name="engines_ready")),
            dut.idle.eq(self.anything(3, name="idle")),
            dut.waiting.eq(self.anything(3, name="waiting")),
            dut.quiet.eq(self.anything(name="quiet")),
            dut.exhausted.eq(self.anything(name="exhausted")),
            dut.halt.eq(self.anything(name="halt")),
        ]
        self.assume_offered(source)
        self.assume(~(dut.exhausted & source.valid))

        opcode = LAYOUTS[Opcode.END](source.payload.bits).opcode
        belongs = [Signal(name=f"belongs_{engine.name.lower()}") for engine in ENGINES]
        for one in Opcode:
            with m.If((opcode == one) & transfer(source)):
                if one.engine is not None:
                    m.d.comb += belongs[one.engine].eq(1)
        given = Cat(transfer(o) for o in outputs)
        taken_counts, given_counts = self._counts(m, belongs), self._counts(m, list(given))

        engine = self.constant(2, name="chosen_engine")
        number = self.constant(_COUNT, name="chosen_number")
        self.assume(engine < len(ENGINES))
        its, known = Signal(_COMPARED), Signal()
        with m.If(Array(belongs)[engine] & (Array(taken_counts)[engine] == number)):
            m.d.sync += [its.eq(source.payload.bits), known.eq(1)]
        bits = Array(o.payload.bits[:_COMPARED] for o in outputs)[engine]
        here = Array(given)[engine] & (Array(given_counts)[engine] == number)
        self.claim("in_order", ~here | (known & (bits == its)))
        for name, output, taken, got in zip(
            ENGINES, outputs, taken_counts, given_counts, strict=True
        ):
            self.claim(f"none_added_{name.name.lower()}", ~output.valid | (got < taken))
            self.claim_offered(output, f"offered_{name.name.lower()}")

        # Two cycles after the last movement whatever was taken is offered to an engine.
        same = Cat(t == g for t, g in zip(taken_counts, given_counts, strict=True)).all()
        still = Signal(2)
        rest = ~Cat(o.valid for o in outputs).any() & ~dut.halt & ~dut.error.valid
        with m.If(~rest | transfer(source)):
            m.d.sync += still.eq(0)
        with m.Else():
            m.d.sync += still.eq(Mux(still == 2, 2, still + 1))
        self.claim("none_lost", (still < 2) | same)
        self.claim("done", ~dut.done | (same & dut.idle.all()))

        stopped = Signal()
        with m.If(transfer(source) & ~Cat(belongs).any()):
            m.d.sync += stopped.eq(1)
        self.claim("stops", ~stopped | ~transfer(source))

    def _counts(self, m: Module, events: list) -> list[Signal]:
        counts = [Signal(_COUNT, name=f"count{i}") for i in range(len(events))]
        for count, event in zip(counts, events, strict=True):
            m.d.sync += count.eq(count + event)
        return counts
