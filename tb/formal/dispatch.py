"""`Dispatch` gives every instruction to its engine, once and in order."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Array, Cat, Module, Mux, Signal

from ...hw.dispatch import Dispatch
from ...hw.isa import ENGINES, LAYOUTS, Opcode
from .faults import Fault
from .harness import Harness, past, transfer

__all__ = ["DispatchHarness"]

_COMPARED = 12  # bits of an instruction that are followed; all are stored alike


class DispatchHarness(Harness):
    """Any instructions, legal or not; any stalls of the engines; halt at any time.

    The solver chooses an engine, and an instruction for it that is followed.

    Parameters
    ----------
    depth : int
        Of the queues.
    """

    faults: ClassVar[dict[str, Fault]] = {
        "full queue": Fault(
            Dispatch, "gone.eq(able & room)", "gone.eq(able)", breaks="none_lost"
        ),
        "taken too early": Fault(
            Dispatch, "instructions.ready.eq(~held_valid if", "instructions.ready.eq(1 if",
            breaks="none_lost",
        ),
        "given twice": Fault(
            Dispatch, "m.d.sync += held_valid.eq(0)", "m.d.sync += held_valid.eq(held.bits[-1])",
            breaks="none_added",
        ),
        "ends too early": Fault(
            Dispatch, "idle.all() & Cat(empty).all()", "idle.all()",
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
        engine = self.constant(2, name="engine")
        self.assume(engine < len(ENGINES))
        here = Array(outputs)[engine]
        queue = self.follow(Array(belongs)[engine], source.payload.bits[:_COMPARED], transfer(here))
        same = here.payload.bits[:_COMPARED] == queue.its
        self.claim("in_order", ~(here.valid & queue.due) | same)
        self.claim("none_added", ~here.valid | (queue.level != 0))
        self.claim("at_most", queue.level <= self._depth + 1)
        for name, output in zip(ENGINES, outputs, strict=True):
            self.claim_offered(output, f"offered_{name.name.lower()}")

        # Three cycles after the last movement whatever was taken is offered to an engine.
        still = Signal(2)
        rest = ~Cat(o.valid for o in outputs).any() & ~dut.halt & ~dut.error.valid
        with m.If(~rest | transfer(source)):
            m.d.sync += still.eq(0)
        with m.Else():
            m.d.sync += still.eq(Mux(still == 3, 3, still + 1))
        self.claim("none_lost", (still < 3) | (queue.level == 0))
        # The engines' word may be a cycle old: one that gets something is not idle from then on.
        at_rest = (dut.idle | past(m, dut.idle)).all()
        self.claim("done", ~dut.done | ((queue.level == 0) & at_rest))

        stopped = Signal()
        with m.If(transfer(source) & ~Cat(belongs).any()):
            m.d.sync += stopped.eq(1)
        self.claim("stops", ~stopped | ~transfer(source))
