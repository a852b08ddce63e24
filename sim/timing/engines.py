"""What engines have in common in the cycle model: tokens, queues, the front of LOAD and STORE."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from ...hw.config import Config
from ...hw.isa import ENGINES, Engine
from .event_clock import Clock, Gate

__all__ = ["Inbox", "Issue", "TokenTimes", "issue_registers"]

_LOOK = 1  # an instruction in the second register of `Issue` to its tokens asked for

_Step = TypeVar("_Step")


class TokenTimes:
    """Tokens given and not taken, as the cycles from which they can be taken.

    Parameters
    ----------
    clock : Clock

    Attributes
    ----------
    completed : mapping of Engine to list of int
        When the tokens of each instruction could be taken, if it gave any.
    """

    def __init__(self, clock: Clock) -> None:
        self.completed: dict[Engine, list[int]] = {engine: [] for engine in ENGINES}
        self._given = {(a, b): deque[int]() for a in ENGINES for b in ENGINES}
        self._gates = {engine: Gate(clock) for engine in ENGINES}

    def give(self, giver: Engine, takers: tuple[Engine, ...], cycle: int) -> None:
        """An instruction has completed; what it gives is there from `cycle` on."""
        self.completed[giver].append(cycle)
        for taker in takers:
            self._given[giver, taker].append(cycle)
            self._gates[taker].open()

    def take(self, taker: Engine, givers: tuple[Engine, ...], cycle: int) -> int | Gate:
        """The cycle, not before `cycle`, in which all are there and taken; or what to wait for."""
        for giver in givers:
            given = self._given[giver, taker]
            if not given:
                return self._gates[taker]
            cycle = max(cycle, given[0])
        for giver in givers:
            self._given[giver, taker].popleft()
        return cycle


class Inbox(Generic[_Step]):
    """The queue of an engine, seen from both sides.

    Parameters
    ----------
    clock : Clock
    passed : Gate
        To be opened as instructions leave it.
    depth : int
        Instructions in it (`Config.queue_depth`), the one that its engine sees included.
    register : bool
        The engine has a register behind its queue (`Issue`): it takes an instruction out while the
        one before waits.

    Attributes
    ----------
    arrived : Gate
        Opened as an instruction is put in.
    """

    def __init__(self, clock: Clock, passed: Gate, *, depth: int, register: bool) -> None:
        self._depth, self._register = depth, register
        # From dispatch to where the engine sees it, and to the room it leaves behind, there is a
        # cycle less where there is no queue but the register that the engine sees.
        self._queued, self._kept = int(depth > 1), int(depth > 0)
        self._steps = deque[tuple[int, _Step]]()
        self._seen: list[int] = []
        self._passes: list[int] = []
        self.arrived, self._passed = Gate(clock), passed

    def room(self) -> int | None:
        """From which cycle on another instruction can be put in; None where that is not known."""
        oldest = len(self._seen) - self._depth
        if oldest < 0:
            return 0
        if not self._register:
            return self._passes[oldest] + self._queued if len(self._passes) > oldest else None
        if len(self._passes) < oldest:
            return None
        before = self._passes[oldest - 1] + 1 if oldest else 0
        return max(self._seen[oldest], before) + self._queued

    def put(self, cycle: int, step: _Step) -> None:
        """Dispatched in `cycle`."""
        seen = cycle + self._kept + self._queued
        self._seen.append(seen)
        self._steps.append((seen, step))
        self.arrived.open()

    def passed(self) -> int | None:
        """When the last instruction put in left it, if that is known."""
        return self._passes[-1] if len(self._passes) == len(self._seen) else None

    def get(self) -> tuple[int, _Step] | None:
        """The next instruction and the cycle in which the engine sees it, if there is one."""
        return self._steps.popleft() if self._steps else None

    def let_pass(self, cycle: int) -> None:
        """The instruction got last leaves the queue, or the register behind it, in `cycle`."""
        self._passes.append(cycle)
        self._passed.open()


def issue_registers(config: Config) -> int:
    """Registers of `hw.issue`."""
    return 2 if config.queue_depth else 1


class Issue(Generic[_Step]):
    """`hw.issue` in times: an instruction goes through two registers, and waits in the second.

    Parameters
    ----------
    inbox : Inbox
    registers : int
        2, or 1 where engines have no queue.

    Attributes
    ----------
    left : int
        The cycle in which the last instruction left it.
    """

    def __init__(self, inbox: Inbox[_Step], *, registers: int) -> None:
        self._inbox, self._registers = inbox, registers
        self._second = 0
        self.left = 0

    def enter(self, seen: int) -> int:
        """An instruction `seen` in the queue: the cycle in which it asks for its tokens."""
        if self._registers == 1:
            self._second = max(seen, self.left)
        else:
            taken = max(seen, self._second + 1)
            self._second = max(taken + 1, self.left)
        self._inbox.let_pass(self._second)
        return self._second + _LOOK
