"""STORE as the cycle model sees it."""

from __future__ import annotations

from collections import deque

from ...hw.config import Config
from ...hw.isa import Engine
from .compute import ComputeTiming
from .engines import Inbox, Issue, TokenTimes, issue_registers
from .event_clock import Clock, Gate, Process
from .pack import PackTiming
from .steps import StoreStep
from .writes import WriteTiming

__all__ = ["StoreTiming"]

_CONFIRMED = 2  # a response on the bus to an instruction's leaving that waits for it
_TOKEN = 3  # a response on the bus to the token
_YIELD = 8  # while a word waits for the port, lookups leave out one cycle in so many


class StoreTiming:
    """`hw.store` in times: words are asked for at the port of the partial sums.

    Lookups have that port wherever they complete a sum, and leave out one where a word waits
    for long.

    Attributes
    ----------
    inbox : Inbox
    rest : int
        Cycle from which the engine is idle.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        compute: ComputeTiming,
        pack: PackTiming,
        writes: WriteTiming,
        tokens: TokenTimes,
        progress: Gate,
    ) -> None:
        self._clock, self._compute, self._pack = clock, compute, pack
        self._writes, self._tokens = writes, tokens
        self.inbox = Inbox[StoreStep](clock, progress, depth=config.queue_depth, register=True)
        self._registers = issue_registers(config)
        # The instruction whose words are asked for, and when it left the front; the cycle from
        # which the next one can leave, and those from which there is room for one unconfirmed.
        self._asking: tuple[int, StoreStep] | None = None
        self._free = 0
        self._rooms = deque([0] * config.store_depth)
        self._moves = Gate(clock)
        self.rest = 0

    def run(self) -> Process:
        """The process of the front."""
        issue = Issue(self.inbox, registers=self._registers)
        tokens, writes = self._tokens, self._writes
        while True:
            while (got := self.inbox.get()) is None:
                yield self.inbox.arrived
            seen, step = got
            cycle = issue.enter(seen)
            while isinstance(granted := tokens.take(Engine.STORE, step.waits, cycle), Gate):
                yield granted
            while writes.busy:
                yield writes.moves
            while self._asking or not self._rooms:
                yield self._moves
            leave = max(max(granted, writes.turn) + 1, self._free, self._rooms.popleft())
            issue.left = leave
            self._asking = leave, step
            self._moves.open()
            writes.request(leave, step.address, step.beats, self._confirms(step))

    def ask(self) -> Process:
        """The process that asks for the words of an instruction."""
        clock, pack, lookups = self._clock, self._pack, self._compute.lookups
        delay, waited = self._compute.port_delay, 0
        while True:
            while self._asking is None:
                yield self._moves
            cycle, step = self._asking
            for word in range(step.words):
                while (room := pack.room()) is None:
                    yield pack.moves
                cycle = max(cycle + 1, room)
                while True:
                    if waited == _YIELD - 1:
                        lookups.hold(cycle)
                    while clock.now <= cycle - delay:
                        yield cycle - delay + 1
                    if not lookups.completes(cycle - delay):
                        break
                    waited = (waited + 1) % _YIELD
                    cycle += 1
                waited = 0
                pack.put(cycle, requantise=step.requantise, last=word == step.words - 1)
            self._asking, self._free = None, cycle + 1
            self._moves.open()

    def _confirms(self, step: StoreStep):
        def confirmed(response: int) -> None:
            self._rooms.append(response + _CONFIRMED)
            self.rest = response + _TOKEN
            self._tokens.give(Engine.STORE, step.signals, self.rest)
            self._moves.open()

        return confirmed
