"""The memory as the cycle model sees it: bursts in, times of beats out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from ...hw.config import Config
from ..memory_timing import MemoryTiming
from .event_clock import NEVER, Clock

__all__ = ["Memory", "SharedMemory", "WideMemory", "create_memory"]

#: Told the cycles of the first beats of a burst, as many as are known, until all are.
_Served = Callable[[Sequence[int]], None]
#: Told the cycle of a beat.
_Written = Callable[[int], None]


class WideMemory:
    """One beat a cycle in each direction: all times are known at once.

    Parameters
    ----------
    latency : int
    """

    def __init__(self, latency: int) -> None:
        self._latency = latency
        self._read = self._write = 0  # the first free cycle of each channel

    def read(self, address: int, beats: int, served: _Served, *, watched: bool) -> None:
        """A burst whose address is on the bus in cycle `address`.

        Of a `watched` one every beat makes something happen, not only the last.
        """
        begin = max(self._read, address + self._latency)
        self._read = begin + beats
        served(range(begin, begin + beats))

    def write(self, offered: int, written: _Written) -> None:
        """A beat that is on the bus from cycle `offered` on."""
        cycle = max(self._write, offered)
        self._write = cycle + 1
        written(cycle)


class SharedMemory:
    """Reads and writes share the bandwidth of `MemoryTiming`, in turn where both want it.

    A beat is paid from a credit that grows by `rate` bytes a cycle and keeps no more than
    one beat and a cycle's growth.

    Parameters
    ----------
    clock : Clock
    latency : int
    rate : float
        Bytes a cycle.
    beat : int
        Bytes of a beat.
    """

    def __init__(self, clock: Clock, *, latency: int, rate: float, beat: int) -> None:
        self._clock, self._latency = clock, latency
        self._rate, self._beat, self._most = rate, beat, beat + rate
        self._credit, self._counted = self._most, 0  # the credit left in cycle `counted`
        self._reads = deque[tuple[int, int, _Served, bool]]()  # first possible cycle, beats
        self._writes = deque[tuple[int, _Written]]()
        self._beats: list[int] = []  # of the burst that is being served
        self._read = self._write = 0
        self._write_first = False
        self._awake = NEVER

    def read(self, address: int, beats: int, served: _Served, *, watched: bool) -> None:
        """A burst whose address is on the bus in cycle `address`.

        Of a `watched` one every beat makes something happen, not only the last.
        """
        self._reads.append((address + self._latency, beats, served, watched))
        self._look(address + self._latency)

    def write(self, offered: int, written: _Written) -> None:
        """A beat that is on the bus from cycle `offered` on."""
        self._writes.append((offered, written))
        self._look(offered)

    def _look(self, cycle: int) -> None:
        if cycle < self._awake:
            self._awake = cycle
            self._clock.at(cycle, self._serve)

    def _serve(self) -> None:
        """Serve all beats whose turn comes before anything else happens."""
        clock = self._clock
        if clock.now < self._awake:
            return  # called for an earlier plan
        while True:
            read = max(self._reads[0][0], self._read) if self._reads else NEVER
            write = max(self._writes[0][0], self._write) if self._writes else NEVER
            first = min(read, write)
            if first == NEVER:
                self._awake = NEVER
                return
            lacking = self._beat - self._credit
            paid = self._counted + (math.ceil(lacking / self._rate) if lacking > 0 else 0)
            cycle = max(first, paid)
            # Whatever is asked for in a cycle is on the bus in the next one, at the earliest.
            if cycle > max(clock.now, clock.next_event()):
                self._awake = cycle
                clock.at(cycle, self._serve)
                return
            self._credit = min(self._most, self._credit + self._rate * (cycle - self._counted))
            self._counted = cycle
            if write > cycle:
                self._read_beats(cycle, clock)
            elif read > cycle:
                self._write_beat(cycle)
            else:
                self._both(cycle)

    def _both(self, cycle: int) -> None:
        turns = [self._write_beat, self._read_beat]
        for turn in turns if self._write_first else reversed(turns):
            if self._credit >= self._beat:
                turn(cycle)

    def _read_beats(self, cycle: int, clock: Clock) -> None:
        """As many beats as come one after the other while nobody else wants the memory."""
        _, count, _, watched = self._reads[0]
        left = 1 if watched else count - len(self._beats)
        write = self._writes[0][0] if self._writes else NEVER
        until = min(clock.next_event(), write - 1)
        have, rate, beat = self._credit, self._rate, self._beat
        cycles = [cycle]
        for i in range(1, left):
            # It needs i + 1 beats of what there is now and what comes until then.
            later = cycle + max(i, math.ceil(((i + 1) * beat - have) / rate))
            if later > until:
                break
            cycles.append(later)
        last = cycles[-1]
        self._credit = min(self._most, have + rate * (last - cycle) - (len(cycles) - 1) * beat)
        self._credit -= beat
        self._counted = last
        self._beats += cycles
        self._after_read(last)

    def _read_beat(self, cycle: int) -> None:
        self._credit -= self._beat
        self._beats.append(cycle)
        self._after_read(cycle)

    def _after_read(self, cycle: int) -> None:
        self._read, self._write_first = cycle + 1, True
        _, count, served, _ = self._reads[0]
        beats = self._beats
        if len(beats) == count:
            self._reads.popleft()
            self._beats = []
        served(beats)

    def _write_beat(self, cycle: int) -> None:
        self._credit -= self._beat
        self._write, self._write_first = cycle + 1, False
        self._writes.popleft()[1](cycle)


Memory = WideMemory | SharedMemory


def create_memory(config: Config, timing: MemoryTiming, clock: Clock) -> Memory:
    """The memory that `timing` describes."""
    latency = max(1, timing.latency)
    if not timing.bytes_per_cycle:
        return WideMemory(latency)
    return SharedMemory(
        clock,
        latency=latency,
        rate=timing.bytes_per_cycle,
        beat=config.axi_bits // 8,
    )
