"""The clock of the cycle model: processes that sleep until a cycle or wait for a gate."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

__all__ = ["NEVER", "Clock", "Gate", "Process"]

#: Later than any cycle.
NEVER = 1 << 62


class Gate:
    """Where processes wait until somebody opens it, to look again at what they wait for.

    Parameters
    ----------
    clock : Clock
    """

    __slots__ = ("_clock", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[_Call] = []

    def wait(self, call: _Call) -> None:
        """Have `call` called once the gate opens."""
        self._waiting.append(call)

    def open(self) -> None:
        """Let all that wait go on in this cycle."""
        if self._waiting:
            for call in self._waiting:
                self._clock.at(self._clock.now, call)
            self._waiting.clear()


#: A process yields the cycle in which it goes on, or a gate that has to open first.
Process = Iterator[int | Gate]

_Call = Callable[[], int | Gate | None]


class Clock:
    """Runs what happens in the order of cycles, and leaves out those in which nothing does.

    In the hardware everything goes through a register before another part sees it, so that what
    happens within a cycle may be run in any order. What is known early may be told early: others
    are given times that lie ahead, as long as nothing can change them any more.

    Attributes
    ----------
    now : int
        The present cycle.
    """

    def __init__(self) -> None:
        self.now = 0
        self._events: list[tuple[int, int, _Call]] = []
        self._count = 0

    def at(self, cycle: int, call: _Call) -> None:
        """Call `call` in `cycle`; what it returns says when it is called again, if not None."""
        self._count += 1
        heapq.heappush(self._events, (cycle, self._count, call))

    def start(self, process: Process) -> None:
        """Begin a process in the present cycle."""
        self.at(self.now, process.__next__)

    def next_event(self) -> int:
        """The next cycle in which anything happens besides the caller's own doing."""
        return self._events[0][0] if self._events else NEVER

    def run(self) -> None:
        """Run until nothing is left that happens by itself."""
        events, pop, push = self._events, heapq.heappop, heapq.heappush
        while events:
            self.now, _, call = pop(events)
            try:
                then = call()
            except StopIteration:
                continue
            if then is None:
                continue
            if isinstance(then, Gate):
                then.wait(call)
            else:
                self._count += 1
                push(events, (then, self._count, call))
