"""The memory port as the cycle model sees it: bursts on two channels of one memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..hw.axi import BURST_BYTES
from ..hw.config import Config

__all__ = ["MemoryTiming", "ReadChannel", "WriteChannel"]

# Bursts of LOAD and of STORE under way at once, and cycles from the end of one to the next address.
_LOAD_BURSTS, _LOAD_TURNAROUND = 16, 3
_STORE_BURSTS, _STORE_TURNAROUND = 8, 2
_STORE_BURST = 16  # longest burst of STORE, in beats


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """The memory that a program is predicted for, as `VerilatorDevice` simulates it.

    Parameters
    ----------
    latency : int
        Cycles from a read address to its first beat, and from the last beat of a write to
        its response; at least 1.
    bytes_per_cycle : int
        Bandwidth that reads and writes share; 0 is one beat a cycle in each direction.
    """

    latency: int = 32
    bytes_per_cycle: int = 0

    def beat_cycles(self, config: Config) -> float:
        """Cycles between two beats of one channel."""
        return max(1.0, self.share(config))

    def share(self, config: Config) -> float:
        """Cycles of the memory's bandwidth that a beat takes; 0 where there is no limit."""
        return config.axi_bits / 8 / self.bytes_per_cycle if self.bytes_per_cycle else 0.0


class ReadChannel:
    """Bursts of LOAD and FETCH, served by the memory in the order of their addresses.

    All times are cycles, with fractions where a beat takes some. Requests of LOAD come in the
    order of the program; those of FETCH go in between where their time has come, since FETCH goes
    first.

    Parameters
    ----------
    config : Config
    timing : MemoryTiming
    writes, fetches : list of (float, int)
        When STORE begins bursts, and FETCH can put addresses on the bus, and their beats, as far
        as known. Writes take bandwidth away.

    Attributes
    ----------
    wanted : list of (float, int)
        The fetches as they turned out.
    """

    def __init__(
        self,
        config: Config,
        timing: MemoryTiming,
        *,
        writes: list[tuple[float, int]],
        fetches: list[tuple[float, int]],
    ) -> None:
        self._latency = timing.latency
        self._beat = config.axi_bits // 8
        self._burst = min(256, BURST_BYTES // self._beat)
        self._cost = timing.beat_cycles(config)
        share = timing.share(config)
        # What a write costs a busy reader: all of its own time, or what two beats at once take
        # beyond one cycle.
        self._write_cost = share if share >= 1 else max(0.0, 2 * share - 1)
        self._writes = deque(sorted(writes))
        self._address = 0.0  # cycle of the last address on the bus
        self.free = 0.0  # cycle in which the next beat can come
        self._under_way: deque[float] = deque([0.0] * _LOAD_BURSTS)
        self._fetches = deque(fetches)
        self._known = bool(fetches)
        self.wanted: list[tuple[float, int]] = []
        self._fetched: deque[float] = deque()

    def want(self, when: float, beats: int) -> None:
        """FETCH can put an address on the bus at `when`."""
        self.wanted.append((when, beats))
        if not self._known:
            self._fetches.append((when, beats))

    def fetched(self) -> float:
        """Cycle of the last beat of the next piece of the program."""
        if not self._fetched:
            self._fetch()
        return self._fetched.popleft()

    def load(self, when: float, address: int, beats: int) -> tuple[float, float]:
        """LOAD can put an address on the bus at `when`: cycles of its last address and beat."""
        done = when
        while beats > 0:
            now = min(beats, self._burst - address // self._beat % self._burst)
            at = max(when, self._under_way.popleft() + _LOAD_TURNAROUND)
            while self._fetches and self._fetches[0][0] <= max(at, self._address + 1):
                self._fetch()
            done = self._serve(max(at, self._address + 1), now)
            self._under_way.append(done)
            beats -= now
            address += now * self._beat
        return self._address, done

    def _fetch(self) -> None:
        when, beats = self._fetches.popleft()
        self._fetched.append(self._serve(max(when, self._address + 1), beats))

    def _serve(self, at: float, beats: int) -> float:
        self._address = at
        begin = max(self.free, at + self._latency)
        end = begin + beats * self._cost
        while self._write_cost and self._writes and self._writes[0][0] < end:
            written, count = self._writes.popleft()
            if written + count * self._cost > begin:
                end += count * self._write_cost
        self.free = end
        return end - self._cost


class WriteChannel:
    """Bursts of STORE; `bursts` notes when they began, and their beats."""

    def __init__(self, config: Config, timing: MemoryTiming) -> None:
        self._latency = timing.latency
        self._beat = config.axi_bits // 8
        self._cost = timing.beat_cycles(config)
        self._limited = timing.share(config) >= 1
        self._free = 0.0
        self._under_way: deque[float] = deque([0.0] * _STORE_BURSTS)
        self.bursts: list[tuple[float, int]] = []

    def store(
        self, when: float, spacing: float, address: int, beats: int, *, reads_until: float
    ) -> float:
        """Write `beats` that come every `spacing` cycles from `when` on: cycle of the response.

        Until `reads_until` the memory serves reads and writes in turn.
        """
        last, sent = when, 0
        while sent < beats:
            now = min(beats - sent, _STORE_BURST - address // self._beat % _STORE_BURST)
            begin = max(self._free, when + sent * spacing, self._under_way.popleft())
            self.bursts.append((begin, now))
            cost = self._cost
            if self._limited:
                # Of the time until the reads end, only half belongs to writes.
                shared = min(max(0.0, (reads_until - begin) / 2), now * cost)
                cost += shared / now
            sent += now
            last = max(begin + (now - 1) * cost, when + (sent - 1) * spacing)
            self._free = begin + now * cost
            self._under_way.append(last + self._latency + _STORE_TURNAROUND)
            address += now * self._beat
        return last + self._latency
