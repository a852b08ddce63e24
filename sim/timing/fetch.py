"""FETCH and dispatch as the cycle model sees them: when each instruction is in its queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...hw.config import Config
from ...hw.fetch import prefetch_beats
from ...hw.isa import INSTRUCTION_BITS, Engine
from .engines import Inbox
from .event_clock import Gate, Process
from .reads import ReadTiming
from .steps import Step

__all__ = ["FetchTiming", "piece_instructions", "program_beats"]

_START = 4  # the start of a program to the first request
_AGAIN = 2  # one request to the next, and room for a piece to its request
# A beat on the bus to the cycle in which it is taken from the buffer.
_SEEN = {"registers": 2, "bram": 3}


def piece_instructions(config: Config) -> int:
    """Instructions that are asked for at a time; there is room for two such pieces."""
    return prefetch_beats(config) // 2 * config.axi_bits // INSTRUCTION_BITS


def program_beats(config: Config, instructions: int) -> list[int]:
    """Beats of each piece of a program of so many instructions."""
    most = piece_instructions(config)
    pieces = [min(most, instructions - first) for first in range(0, instructions, most)]
    return [-(-piece * INSTRUCTION_BITS // config.axi_bits) for piece in pieces]


class FetchTiming:
    """`hw.fetch` and `hw.dispatch` in times.

    The program is read in pieces. An instruction is put together from its beats while the one
    before waits to be dispatched, and that one while the one before it waits for room in its queue.
    Where engines have no queues, it is put together once its predecessor was taken by its engine.

    Parameters
    ----------
    config : Config
    reads : ReadTiming
    inboxes : mapping of Engine to Inbox
    progress : Gate
        Opened wherever an instruction leaves a queue.

    Attributes
    ----------
    dispatched : list of int
        The cycles in which instructions were put into their queues.
    ended : int
        The cycle in which END is there.
    """

    def __init__(
        self, config: Config, reads: ReadTiming, inboxes: Mapping[Engine, Inbox[Any]],
        progress: Gate,
    ) -> None:  # fmt: skip
        self._config, self._reads, self._inboxes = config, reads, inboxes
        self._progress = progress
        self._piece, self._seen = piece_instructions(config), _SEEN[config.fetch_storage]
        self._parts = max(1, INSTRUCTION_BITS // config.axi_bits)  # beats of an instruction
        self._share = max(1, config.axi_bits // INSTRUCTION_BITS)  # instructions of a beat
        self._pieces: list[Sequence[int]] = []
        self._sizes: list[int] = []
        self.dispatched: list[int] = []
        self.ended = 0

    def run(self, program: Sequence[Step]) -> Process:
        """The process that dispatches `program`."""
        self._sizes = program_beats(self._config, len(program))
        for piece in range(min(2, len(self._sizes))):
            self._ask(_START + _AGAIN * piece, piece)
        # Cycles in which an instruction was taken from the buffer, went on, was put into a queue.
        taken: int | None = None
        moved, dispatched = 0, -1
        for i, step in enumerate(program):
            while taken is None and (taken := self._take(i, moved)) is None:
                yield self._progress
            moved = max(taken, dispatched) + 1
            if not self._config.queue_depth:
                moved = taken
            if step.engine is None:
                break
            inbox = self._inboxes[step.engine]
            if not self._config.queue_depth:
                inbox.put(taken + 1, step)
                while (left := inbox.passed()) is None:
                    yield self._progress
                moved, taken = left, None
                self.dispatched.append(moved)
                continue
            taken = self._take(i + 1, moved)
            while (room := inbox.room()) is None:
                yield self._progress
                if taken is None:
                    taken = self._take(i + 1, moved)
            dispatched = max(moved + 1, room)
            self.dispatched.append(dispatched)
            inbox.put(dispatched, step)
        self.ended = moved + 1

    def _take(self, instruction: int, cycle: int) -> int | None:
        """When it is taken, its first beat not before `cycle`; None where that is not known yet."""
        piece, place = divmod(instruction, self._piece)
        if piece >= len(self._pieces):
            return None
        beats = self._pieces[piece]
        first = place // self._share * self._parts
        if len(beats) < first + self._parts:
            return None
        for beat in beats[first : first + self._parts]:
            cycle = max(cycle, beat + self._seen) + 1
        cycle -= 1
        if place == self._piece - 1 and piece + 2 < len(self._sizes):
            self._ask(cycle + _AGAIN, piece + 2)
        return cycle

    def _ask(self, cycle: int, piece: int) -> None:
        def arrive(beats: Sequence[int]) -> None:
            if len(self._pieces) == piece:
                self._pieces.append(beats)
            self._progress.open()

        self._reads.fetch(cycle, self._sizes[piece], arrive)
