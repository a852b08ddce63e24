"""The write half of the memory port as the cycle model sees it: bursts, beats, responses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ...hw.bursts import burst_beats
from ...hw.config import Config
from .event_clock import Clock, Gate
from .memory import Memory
from .reads import burst_sizes

__all__ = ["LONGEST_BURST", "WriteTiming"]

#: Beats of a burst of STORE at most.
LONGEST_BURST = 16

_SPLIT = 1  # a request to the turn of its first burst
_INTERVAL = 2  # between two turns
_DATA = 1  # a burst's turn to its first beat being taken
_OFFER = 1  # a beat taken to its being on the bus
_BEATS = 2  # taken, and not written yet
_ANSWERED = 2  # a response on the bus to the turn of a burst that waits for it

_Done = Callable[[int], None]


class WriteTiming:
    """`hw.axi_writer` in times.

    Parameters
    ----------
    config : Config
    latency : int
        Of the memory, from the last beat of a burst to its response.
    clock : Clock
    memory : Memory

    Attributes
    ----------
    turn : int
        Of the last burst of the last request.
    moves : Gate
        Opened where something of it becomes known.
    """

    def __init__(self, config: Config, latency: int, clock: Clock, memory: Memory) -> None:
        self._memory, self._latency = memory, max(1, latency)
        self._longest, self._beat = min(LONGEST_BURST, burst_beats(config)), config.axi_bits // 8
        self.moves = Gate(clock)
        # Bursts that wait for their turn: its first cycle, beats, whom to tell of the response.
        self._waiting = deque[tuple[int, int, _Done | None]]()
        self._turns = deque[tuple[int, int, _Done | None]]()  # had their turn, and miss beats
        self._rooms = deque([0] * config.store_depth)  # from which cycle on a burst has room
        self._places = deque([0] * min(_BEATS, config.store_depth))  # ... for a beat
        self._taken = self._response = 0
        self.turn = -_INTERVAL

    @property
    def busy(self) -> bool:
        """The last request still has bursts without a turn."""
        return bool(self._waiting)

    def request(self, cycle: int, address: int, beats: int, done: _Done) -> None:
        """STORE asks in `cycle` for writes from byte `address` on.

        `done` is told the cycle in which the last response is on the bus.
        """
        cycle += _SPLIT
        *others, last = burst_sizes(address // self._beat, beats, self._longest)
        self._waiting.extend((cycle, size, None) for size in others)
        self._waiting.append((cycle, last, done))
        self._go()

    def beat(self, offered: int) -> int | None:
        """A beat that is there from `offered` on: when it is taken, if that is known."""
        if not self._turns or not self._places:
            return None
        turn, left, done = self._turns.popleft()
        self._taken = max(offered, turn + _DATA, self._taken + 1, self._places.popleft())
        if left > 1:
            self._turns.appendleft((turn, left - 1, done))

        def written(cycle: int) -> None:
            self._places.append(cycle + 1)
            if left == 1:
                self._respond(cycle + self._latency, done)
            self.moves.open()

        self._memory.write(self._taken + _OFFER, written)
        return self._taken

    def _go(self) -> None:
        """Bursts have their turns as far as it is known when there is room for them."""
        while self._waiting and self._rooms:
            cycle, beats, done = self._waiting.popleft()
            self.turn = max(cycle, self.turn + _INTERVAL, self._rooms.popleft())
            self._turns.append((self.turn, beats, done))
        self.moves.open()

    def _respond(self, cycle: int, done: _Done | None) -> None:
        self._response = max(cycle, self._response + 1)
        self._rooms.append(self._response + _ANSWERED)
        self._go()
        if done:
            done(self._response)
