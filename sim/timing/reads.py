"""The read half of the memory port as the cycle model sees it: whose burst goes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...hw.bursts import burst_beats
from ...hw.config import Config
from .event_clock import NEVER, Clock
from .memory import Memory

__all__ = ["ReadTiming", "burst_sizes"]

_SPLIT = 1  # a request to the turn of its first burst
_ADDRESS = 1  # a burst's turn to its address on the bus
_INTERVAL = 2  # between two addresses
_ROOM = 2  # a burst's last beat on the bus to the turn of one that waits for it


def burst_sizes(address: int, beats: int, longest: int) -> list[int]:
    """Beats of the bursts of a request that begins at beat `address` (`hw.bursts`)."""
    first = min(beats, longest - address % longest)
    whole, rest = divmod(beats - first, longest)
    return [first, *[longest] * whole, *([rest] if rest else [])]


class _Burst(NamedTuple):
    cycle: int  # in which it can have its turn
    beats: int
    asked: Callable[[int], None] | None
    served: Callable[[int], None] | None


class ReadTiming:
    """`hw.axi_reader` in times: bursts of FETCH, which go first, and of LOAD.

    Parameters
    ----------
    config : Config
    clock : Clock
    memory : Memory
    """

    def __init__(self, config: Config, clock: Clock, memory: Memory) -> None:
        self._clock, self._memory = clock, memory
        self._longest, self._beat = burst_beats(config), config.axi_bits // 8
        self._fetches = deque[tuple[int, int, Callable[[Sequence[int]], None]]]()
        self._loads = deque[_Burst]()
        self._free = 0  # the next cycle in which a burst can have its turn
        # From which cycle on there is room for a burst of LOAD.
        self._rooms = deque([0] * config.load_depth)
        self._awake = NEVER

    def fetch(self, cycle: int, beats: int, served: Callable[[Sequence[int]], None]) -> None:
        """FETCH asks for memory in `cycle`; `served` is told the beats as they come."""
        self._fetches.append((cycle + _SPLIT, beats, served))
        self._look(cycle + _SPLIT)

    def load(
        self,
        cycle: int,
        address: int,
        beats: int,
        asked: Callable[[int], None],
        served: Callable[[int], None],
    ) -> None:
        """LOAD asks in `cycle` for memory from byte `address` on.

        `asked` is told the turn of the last burst, `served` the cycle of the last beat.
        """
        cycle += _SPLIT
        *others, last = burst_sizes(address // self._beat, beats, self._longest)
        self._loads.extend(_Burst(cycle, size, None, None) for size in others)
        self._loads.append(_Burst(cycle, last, asked, served))
        self._look(cycle)

    def _look(self, cycle: int) -> None:
        cycle = max(cycle, self._free, self._clock.now)
        if cycle < self._awake:
            self._awake = cycle
            self._clock.at(cycle, self._turn)

    def _turn(self) -> None:
        """Let the burst whose turn it is go, and come again when it is another's."""
        now = self._clock.now
        if now < self._awake:
            return  # an earlier plan
        self._awake = NEVER
        loads, rooms = self._loads, self._rooms
        if now >= self._free:
            if self._fetches and self._fetches[0][0] <= now:
                _, beats, served = self._fetches.popleft()
                self._free = now + _INTERVAL
                self._memory.read(now + _ADDRESS, beats, served, watched=True)
            elif loads and rooms and max(loads[0].cycle, rooms[0]) <= now:
                burst = loads.popleft()
                rooms.popleft()
                self._free = now + _INTERVAL
                self._memory.read(now + _ADDRESS, burst.beats, self._told(burst), watched=False)
                if burst.asked:
                    burst.asked(now)
        then = self._fetches[0][0] if self._fetches else NEVER
        if loads and rooms:
            then = min(then, max(loads[0].cycle, rooms[0]))
        if then != NEVER:
            self._look(then)

    def _told(self, burst: _Burst) -> Callable[[Sequence[int]], None]:
        """What the memory tells the beats of a burst of LOAD."""

        def told(beats: Sequence[int]) -> None:
            if len(beats) < burst.beats:
                return
            self._rooms.append(beats[-1] + _ROOM)
            if self._loads:
                self._look(max(self._loads[0].cycle, self._rooms[0]))
            if burst.served:
                burst.served(beats[-1])

        return told
