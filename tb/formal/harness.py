"""What every proof's harness is made of: free inputs, assumptions and named claims."""

from __future__ import annotations

import sys
from typing import Any, ClassVar, NamedTuple

from amaranth.asserts import AnyConst, AnySeq, Initial
from amaranth.back import rtlil
from amaranth.hdl import (
    Assert,
    Assume,
    Elaboratable,
    Module,
    ResetSignal,
    Shape,
    Signal,
    Value,
    ValueLike,
)

from .faults import Fault, changed

__all__ = ["Followed", "Harness", "past", "transfer"]


class Followed(NamedTuple):
    """See `Harness.follow`.

    `entered`: it enters in this cycle; `inside`: it is inside; `due`: it is the next to leave;
    `its`: its value; `level`: how many are inside.
    """

    entered: Value
    inside: Value
    due: Value
    its: Value
    level: Value


class Harness(Elaboratable):
    """A component, everything that may happen around it, and what is claimed of it.

    The state before the first cycle is arbitrary in every bit, memories included, as after any
    earlier program; the first cycle is a reset, and no further one follows. What `anything`
    returns may differ from cycle to cycle, what `constant` returns is chosen once.

    A subclass builds the rest in `build`, and lists in `faults` what its claims notice.

    Parameters
    ----------
    fault : str, optional
        The one of `faults` that the component has.
    faults : dict, optional
        Others than those of the class.

    Attributes
    ----------
    fault : Fault or None
    claims : list of str
        Names of the claims; complete once `rtlil` was called.
    """

    faults: ClassVar[dict[str, Fault]] = {}

    def __init__(self, fault: str | None = None, faults: dict[str, Fault] | None = None) -> None:
        self.fault = (faults or self.faults)[fault] if fault is not None else None
        self.claims: list[str] = []
        self._rtlil = ""

    def rtlil(self) -> str:
        """The whole as RTLIL, which Yosys reads; `claims` is complete after it."""
        self._rtlil = self._rtlil or rtlil.convert(self, name="top", ports=(), emit_src=False)
        return self._rtlil

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.module = m
        self.claims = []
        m.d.comb += Assume(ResetSignal() == Initial())
        self.build(m)
        return m

    def build(self, m: Module) -> None:
        """Add the component, its surroundings and the claims."""
        raise NotImplementedError

    def component(self, cls: type, *changes: tuple[str, str]) -> Any:
        """The class `cls`, itself or its children with the mistake if there is to be one.

        `changes` are made to its source in any case: constants that are too large to be proved.
        """
        fault, children = self.fault, {}
        done = list(changes)
        if fault and fault.component is cls:
            done.append((fault.old, fault.new))
        elif fault:
            name = fault.component.__name__
            if getattr(sys.modules[cls.__module__], name, None) is fault.component:
                children[name] = changed(fault.component, [(fault.old, fault.new)])
        return changed(cls, done, children) if done or children else cls

    def anything(self, shape: Any = 1, *, name: str) -> Any:
        """A value that the solver chooses anew in every cycle."""
        return self._free(AnySeq, shape, name)

    def constant(self, shape: Any = 1, *, name: str) -> Any:
        """A value that the solver chooses once."""
        return self._free(AnyConst, shape, name)

    def assume(self, condition: ValueLike) -> None:
        """Consider only runs in which `condition` holds in every cycle after the reset."""
        self.module.d.comb += Assume(ResetSignal() | Value.cast(condition).any())

    def claim(self, name: str, condition: ValueLike) -> None:
        """Prove that `condition` holds in every cycle after the reset."""
        self.claims.append(name)
        # The name of the module is all of an assertion that reaches the solver's report.
        inner = Module()
        inner.d.comb += Assert(ResetSignal() | Value.cast(condition).any())
        self.module.submodules[f"claim_{name}"] = inner

    def assume_offered(self, stream: Any) -> None:
        """What is offered on `stream` stays offered, unchanged, until it is taken."""
        self.assume(self._stays(stream))

    def claim_offered(self, stream: Any, name: str) -> None:
        """The component keeps that rule of streams on its output, whatever the stalls."""
        self.claim(name, self._stays(stream))

    def follow(self, enters: ValueLike, value: ValueLike, leaves: ValueLike) -> Followed:
        """Follow one item, of the solver's choice, through whatever holds items in order.

        An item enters with `value` and leaves in a later cycle. What is proved of the item that
        is followed holds for each, as any could have been chosen.
        """
        m, value = self.module, Value.cast(value)
        chosen = self.anything(name="chosen")
        inside, ahead = Signal(name="inside"), Signal(5, name="ahead")
        level, its = Signal(5, name="level"), Signal(len(value), name="its")
        was_chosen = Signal(name="was_chosen")
        m.d.sync += level.eq(level + enters - leaves)
        entered = Signal(name="entered")
        m.d.comb += entered.eq(enters & chosen & ~was_chosen)
        with m.If(entered):
            m.d.sync += [was_chosen.eq(1), inside.eq(1), ahead.eq(level - leaves), its.eq(value)]
        with m.Elif(leaves & inside):
            m.d.sync += [ahead.eq(ahead - 1), inside.eq(ahead != 0)]
        return Followed(entered, inside, inside & (ahead == 0), its, level)

    def _stays(self, stream: Any) -> Value:
        refused = past(self.module, stream.valid & ~stream.ready)
        before = past(self.module, stream.payload)
        same = Value.cast(stream.payload) == before
        return ~refused | (stream.valid & same)

    def _free(self, kind: Any, shape: Any, name: str) -> Any:
        free = Signal(shape, name=name)
        self.module.d.comb += free.eq(kind(Shape.cast(shape).width))
        return free


def past(m: Module, value: ValueLike) -> Signal:
    """`value` one cycle ago, 0 in the cycle after the reset."""
    value = Value.cast(value)
    register = Signal(len(value), name="past")
    m.d.sync += register.eq(value)
    return register


def transfer(stream: Any) -> Value:
    """An item passes over `stream` in this cycle."""
    return stream.valid & stream.ready
