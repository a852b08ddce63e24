"""K blocks on their way to the lookups, as the cycle model sees them."""

from __future__ import annotations

from collections import deque

from ...hw.config import Config
from .event_clock import Clock, Gate

__all__ = ["FeedTiming"]

_READY = 2  # the end of building to the first lookup
_RELEASE = 2  # a bank's last lookup to its reuse
_SETTLED = 4  # blocks that must still follow where some are skipped


class FeedTiming:
    """`hw.table_sequencer` and the builder or the banks behind it, in times.

    A K block is read when the one before goes on into preparation, and goes on itself when that
    one is prepared and a bank is free. With `Config.table_feed` of ``stream`` both take several
    cycles, and the array adds the block up (`probe`) before its first lookup.

    Parameters
    ----------
    config : Config
    clock : Clock

    Attributes
    ----------
    probe : int
        Cycles in which the array is busy with a block before its first lookup.
    moves : Gate
        Opened where something of it becomes known.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        stream, build = config.table_feed == "stream", config.build_cycles
        tables = config.pe in ("lut", "lut3")
        # Cycles in which a block goes on; from there to the next block's going on, and to lookups.
        self._transfers = build if stream else 1
        self._interval = build + int(stream)
        self._ready = _READY  # what is no table is just kept
        if tables:
            self._ready = build + (1 if stream else config.lookup_registers + _READY)
        self.probe = int(stream)
        self.moves = Gate(clock)
        self._banks = config.table_banks
        # LMMAs: accepted, and the K blocks that are still to be read.
        self._reading = deque[tuple[int, int]]()
        # The last block: read from the buffer, gone on.
        self._read, self._sent = 0, -self._interval
        self._prepared = deque[int]()  # first cycles of blocks whose lookups have not begun
        self._held = 0  # banks
        self._releases = deque([0] * self._banks)  # of the banks that are not held
        self._state: tuple[int, ...] = ()
        self._end = self._period = 0

    def accept(self, cycle: int, blocks: int) -> None:
        """An LMMA was accepted in `cycle`."""
        self._reading.append((cycle, blocks))
        self._prepare()

    def last_read(self) -> int | None:
        """When the last K block accepted is read, where that is known."""
        if not self._reading:
            return self._read
        accepted, left = self._reading[0]
        if len(self._reading) > 1 or left > 1 or self._transfers > 1:
            return None
        return max(self._sent, accepted + 1)  # as the one before goes on

    def ready(self) -> int | None:
        """When the next K block is ready for its lookups, which then begin."""
        return self._prepared.popleft() if self._prepared else None

    def release(self, end: int) -> None:
        """The last lookup of a K block was in cycle `end`."""
        self._releases.append(end + _RELEASE + self.probe)  # a stream's builder asks a cycle ahead
        self._held -= 1
        self._period, self._end = end - self._end, end
        self._prepare()

    def _prepare(self) -> None:
        """Let blocks go on as far as it is known when their banks are free."""
        while self._reading and self._held < self._banks:
            accepted, left = self._reading.popleft()
            read = max(self._sent + self._transfers - 1, accepted + 1)
            self._sent = max(read + 1, self._sent + self._interval, self._releases.popleft())
            self._read = read if self._transfers == 1 else self._sent + self._transfers - 2
            self._prepared.append(self._sent + self._ready)
            self._held += 1
            if left > 1:
                self._reading.appendleft((accepted, left - 1))
        self.moves.open()

    # -- blocks that are all alike -----------------------------------------------------------------

    def steady(self, left: int) -> int:
        """How many of the `left` blocks of this LMMA are going to be like the last two."""
        state = self._state
        self._state = (
            self._period,
            self._end - self._sent,
            *(self._end - ready for ready in self._prepared),
        )
        if left <= 2 * _SETTLED or self._state != state or len(self._reading) != 1:
            return 0
        return max(0, min(left, self._reading[0][1]) - _SETTLED)

    def skip(self, blocks: int) -> int:
        """Leave out so many blocks: the cycles of each."""
        accepted, left = self._reading.popleft()
        self._reading.append((accepted, left - blocks))
        cycles = blocks * self._period
        self._end += cycles
        self._sent += cycles
        self._read += cycles
        self._prepared = deque(ready + cycles for ready in self._prepared)
        self._releases = deque(release + cycles for release in self._releases)
        return self._period
