"""Words of partial sums on their way to beats, as the cycle model sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ...hw.config import Config, bits_for
from ...hw.partial_sums import PartialSums
from ...hw.store import words_ahead
from .event_clock import Clock, Gate, Process
from .writes import WriteTiming

__all__ = ["PackTiming"]

# A word's turn at the port of the partial sums to its first beat being put together.
_WORD = 2 + PartialSums.registers
_REQUANTISE = 4  # a group of elements to its place in the beat


class _Word(NamedTuple):
    asked: int  # its turn at the port
    requantise: bool
    last: bool  # of its instruction


class PackTiming:
    """The words on their way of `hw.store`, and `hw.packer`, in times.

    Parameters
    ----------
    config : Config
    clock : Clock
    writes : WriteTiming

    Attributes
    ----------
    moves : Gate
        Opened where it becomes known that there is room for a word.
    """

    def __init__(self, config: Config, clock: Clock, writes: WriteTiming) -> None:
        self._writes, self._groups = writes, _Groups(config)
        self._word_beats = config.beats_per_row(config.psum_word_bits)
        self._words = deque[_Word]()
        # From which cycle on there is room for a word.
        self._rooms = deque([0] * words_ahead(config))
        self.moves, self._arrived = Gate(clock), Gate(clock)

    def room(self) -> int | None:
        """From which cycle on a word can be asked for, where that is known; it then has to be."""
        return self._rooms.popleft() if self._rooms else None

    def put(self, asked: int, *, requantise: bool, last: bool) -> None:
        """A word whose turn at the port is in cycle `asked`."""
        self._words.append(_Word(asked, requantise, last))
        self._arrived.open()

    def run(self) -> Process:
        """The process that makes beats of words."""
        writes, groups = self._writes, self._groups
        moved = taken = popped = 0  # the last beat was put together, was taken; the last word was
        while True:
            while not self._words:
                yield self._arrived
            word = self._words.popleft()
            seen = word.asked + _WORD
            if word.requantise:
                for reached, complete in groups.of_word(max(seen, popped + 1), last=word.last):
                    moved = max(reached, taken)
                    groups.wait(moved - reached)
                    if complete:
                        while (sent := writes.beat(moved + 1)) is None:
                            yield writes.moves
                        taken = sent
                popped = groups.picked
                self._let_go(popped)
                continue
            for beat in range(self._word_beats):
                moved = max(moved + 1, taken, seen)
                if beat == self._word_beats - 1:
                    popped = moved
                    self._let_go(popped)
                while (sent := writes.beat(moved + 1)) is None:
                    yield writes.moves
                taken = sent

    def _let_go(self, cycle: int) -> None:
        self._rooms.append(cycle + 1)
        self.moves.open()


class _Groups:
    """Requantised elements: a few a cycle, on their way for some, put where they belong.

    Attributes
    ----------
    picked : int
        Cycle in which the last group was picked from its word.
    """

    def __init__(self, config: Config) -> None:
        elements = config.lanes * config.rows
        most = config.requantise_lanes or 1  # without any, no program has a group
        lanes = min(most, 1 << bits_for(elements), config.axi_bits // config.requant_bits)
        self._count = -(-elements // lanes)
        group = lanes * config.requant_bits
        slot = min(config.memory_word_bits(config.requant_word_bits), config.axi_bits)
        self._in_beat, self._in_slot = config.axi_bits // group, slot // group
        self._place = self._waited = 0
        self.picked = 0

    def wait(self, cycles: int) -> None:
        """The beat was not free: everything on its way stood still."""
        self._waited = cycles

    def of_word(self, seen: int, *, last: bool) -> Iterator[tuple[int, bool]]:
        """For each group of a word: when it reaches the beat, and whether that is complete then."""
        for group in range(self._count):
            self.picked = max(self.picked + 1 + self._waited, seen)
            self._waited = 0
            place = self._place + 1
            if group == self._count - 1:
                place = (self._place | (self._in_slot - 1)) + 1
            place %= self._in_beat
            complete = place == 0 or (last and group == self._count - 1)
            self._place = 0 if complete else place
            yield self.picked + _REQUANTISE, complete
