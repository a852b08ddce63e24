"""The far side of an AXI4 port: what a proof of the reader or writer lets memory do."""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike

from .harness import Harness

__all__ = ["BurstQueue", "claim_addresses"]

_BEATS = 6  # bits of a number of beats: more than there are cycles times beats of a request


class BurstQueue:
    """Bursts that memory has taken and not answered, oldest first.

    Parameters
    ----------
    depth : int
        Most bursts in it.
    push, length : Value
        A burst is taken, of ``length + 1`` beats.
    pop : Value
        One beat of the oldest burst passes.

    Attributes
    ----------
    level : Signal
        Bursts in it.
    last : Value
        The oldest burst has only one beat left.
    """

    def __init__(
        self, m: Module, name: str, *, depth: int, push: ValueLike, length: Value, pop: ValueLike
    ) -> None:
        self.level = level = Signal(range(depth + 2), name=f"{name}_level")
        lengths = [Signal(2, name=f"{name}_length{i}") for i in range(depth)]
        beat = Signal(2, name=f"{name}_beat")
        self.last = beat == lengths[0]
        gone = Signal(name=f"{name}_gone")
        m.d.comb += gone.eq(Value.cast(pop) & self.last)
        m.d.sync += level.eq(level + push - gone)
        with m.If(pop):
            m.d.sync += beat.eq(Mux(self.last, 0, beat + 1))
        with m.If(gone):
            for old, new in pairwise(lengths):
                m.d.sync += old.eq(new)
        with m.If(push):
            for i, one in enumerate(lengths):
                with m.If(level - gone == i):
                    m.d.sync += one.eq(length)


def claim_addresses(
    harness: Harness,
    *,
    low: int,
    request,
    taken: ValueLike,
    address: Value,
    length: Value,
    offered: ValueLike,
    passes: ValueLike,
) -> Value:
    """The bursts of a client are exactly what it requests, in order, each beat once.

    One request is followed: no burst mixes its beats with those of another, and its bursts
    begin where the one before ended. Claims ``address``, ``within``, ``none_added``.

    Parameters
    ----------
    low : int
        Address bits within a beat.
    request, taken
        Payload of the requests, and when one is taken.
    address, length, offered, passes
        Of the client's bursts on the bus: ``length + 1`` beats.

    Returns
    -------
    Value
        Beats that are requested and in no burst yet.
    """
    m = harness.module
    owed, before, left = (Signal(_BEATS, name=name) for name in ("owed", "before", "left"))
    its, followed, beats = Signal.like(address), Signal(), Signal(_BEATS)
    m.d.comb += beats.eq(Mux(passes, length + 1, 0))
    m.d.sync += owed.eq(owed + Mux(taken, request.beats, 0) - beats)
    with m.If(Value.cast(taken) & harness.anything(name="chosen_request") & ~followed):
        m.d.sync += [followed.eq(1), before.eq(owed - beats)]
        m.d.sync += [left.eq(request.beats), its.eq(request.address >> low << low)]
    with m.Elif(before != 0):
        m.d.sync += before.eq(before - beats)
    with m.Elif(left != 0):
        m.d.sync += [left.eq(left - beats), its.eq(its + (beats << low))]
    mine = Value.cast(offered) & followed & (before == 0) & (left != 0)
    harness.claim("address", ~mine | (address == its))
    room = Mux(before != 0, before, Mux(followed & (left != 0), left, owed))
    harness.claim("within", ~Value.cast(offered) | (length < room))
    harness.claim("none_added", ~Value.cast(offered) | (length < owed))
    return owed
