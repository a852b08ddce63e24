"""LOAD as the cycle model sees it."""

from __future__ import annotations

from collections import deque

from ...hw.config import Config
from ...hw.isa import Engine
from .engines import Inbox, Issue, TokenTimes, issue_registers
from .event_clock import Clock, Gate, Process
from .reads import ReadTiming
from .steps import LoadStep

__all__ = ["LoadTiming"]

_FINISH = 1  # the last beat on the bus to the cycle in which it is written
_TOKEN = 2  # from there to the token


class LoadTiming:
    """`hw.load` in times: instructions leave its front ahead of the beats they ask for.

    Parameters
    ----------
    config : Config
    clock : Clock
    reads : ReadTiming
    tokens : TokenTimes
    progress : Gate
        To be opened as instructions leave the inbox.

    Attributes
    ----------
    inbox : Inbox
    rest : int
        Cycle from which the engine is idle.
    """

    def __init__(
        self, config: Config, clock: Clock, reads: ReadTiming, tokens: TokenTimes, progress: Gate
    ) -> None:
        self.inbox = Inbox[LoadStep](clock, progress, depth=config.queue_depth, register=True)
        self._registers = issue_registers(config)
        self._ahead = config.load_depth  # instructions between the two halves of the engine
        self._reads, self._tokens = reads, tokens
        self._moves = Gate(clock)
        self._asking, self._turn = False, -1  # the last instruction's last burst
        # Instructions on their way, and when they left the front; when the receiving half turned to
        # an instruction; when it was done with one.
        self._left = deque[tuple[int, LoadStep]]()
        self._opened = deque[int]()
        self._finished = 0
        self.rest = 0

    def run(self) -> Process:
        """The process of the front."""
        issue = Issue(self.inbox, registers=self._registers)
        tokens, number = self._tokens, 0
        while True:
            while (got := self.inbox.get()) is None:
                yield self.inbox.arrived
            seen, step = got
            cycle = issue.enter(seen)
            while isinstance(granted := tokens.take(Engine.LOAD, step.waits, cycle), Gate):
                yield granted
            while self._asking:
                yield self._moves
            leave = max(granted, self._turn) + 1
            if number >= self._ahead:
                # There is room once the receiving half has turned to the one so many before.
                while not self._opened:
                    yield self._moves
                leave = max(leave, self._opened.popleft() + 1)
            number += 1
            issue.left = leave
            if not self._left:
                self._open(leave)
            self._left.append((leave, step))
            self._asking = True
            self._reads.load(leave, step.address, step.beats, self._asked, self._served)

    def _asked(self, turn: int) -> None:
        self._turn, self._asking = turn, False
        self._moves.open()

    def _open(self, left: int) -> None:
        self._opened.append(max(left + 1, self._finished))
        self._moves.open()

    def _served(self, beat: int) -> None:
        _, step = self._left.popleft()
        self._finished = beat + _FINISH
        self.rest = self._finished + _TOKEN
        if self._left:
            self._open(self._left[0][0])
        self._tokens.give(Engine.LOAD, step.signals, self.rest)
