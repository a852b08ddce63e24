"""COMPUTE as the cycle model sees it: K blocks prepared ahead, one lookup a cycle."""

from __future__ import annotations

from ...hw.config import Config
from ...hw.element_latency import element_latency, rescale_latency
from ...hw.isa import Engine
from ...hw.partial_sums import PartialSums
from .engines import Inbox, TokenTimes
from .event_clock import Clock, Gate, Process
from .feed import FeedTiming
from .lookups import LookupTimes
from .steps import LmmaStep, PlanesStep

__all__ = ["ComputeTiming"]

_LOOK = 1  # an instruction seen to its tokens asked for
_OFFER = 2  # an instruction taken by the back to its first lookup
_PLANE = 2  # cycles in which a plane of PLANES is checked
# A lookup to the port of the partial sums and to the token, beside what element and scales take.
_PORT = 1 - PartialSums.registers
_TOKEN = 3


class ComputeTiming:
    """`hw.compute` in times.

    The front takes instructions and has the K blocks of LMMAs prepared (`FeedTiming`); the
    back does their lookups. Two instructions lie between them, one of which the back sees; none
    where engines have no queues.

    Parameters
    ----------
    config : Config
    clock : Clock
    tokens : TokenTimes
    progress : Gate
        To be opened as instructions leave the inbox.

    Attributes
    ----------
    inbox : Inbox
    lookups : LookupTimes
    port_delay : int
        Cycles from a lookup to its turn at the port of the partial sums.
    array_busy : int
    table_stalls : list of int
        Cycles for which the lookups of each instruction waited for a K block.
    """

    def __init__(self, config: Config, clock: Clock, tokens: TokenTimes, progress: Gate) -> None:
        self._clock, self._tokens = clock, tokens
        latency = element_latency(config) + rescale_latency(config)
        self._token, self.port_delay = _TOKEN + latency, _PORT + latency
        self.inbox = Inbox[LmmaStep | PlanesStep](
            clock, progress, depth=config.queue_depth, register=False
        )
        self._queued = config.queue_depth > 0
        self.lookups = LookupTimes(keep=self.port_delay + 16)
        self._feed = FeedTiming(config, clock)
        # Instructions: accepted by the front, seen by the back, taken by it; and when the back
        # had made up the last lookup, or was done.
        self._accepted: list[tuple[int, LmmaStep | PlanesStep]] = []
        self._seen: list[int] = []
        self._taken: list[int] = []
        self._made_up: list[int] = []
        self._offered = -1  # when the last lookup came to where it waits for its K block
        self._moves = Gate(clock)
        self._asked: list[tuple[int, int, bool]] = []  # for tokens: from, to, those of LOAD
        self._rests = [0]  # from which cycle on the engine was idle but for what followed
        self.array_busy = 0
        self.table_stalls: list[int] = []

    @property
    def rest(self) -> int:
        """Cycle from which the engine is idle."""
        return self._rests[-1]

    def token_stalls(self) -> list[tuple[int, int]]:
        """Of each instruction: cycles in which nothing was missing but the tokens of LOAD, or else
        those of STORE."""
        stalls = []
        for (begin, end, load), rest in zip(self._asked, self._rests, strict=False):
            waited = max(0, end - max(begin, rest))
            stalls.append((waited, 0) if load else (0, waited))
        return stalls

    # -- instructions ------------------------------------------------------------------------------

    def front(self) -> Process:
        """The process that takes instructions."""
        inbox, feed, accepted, free = self.inbox, self._feed, -1, 0
        while True:
            while (got := inbox.get()) is None:
                yield inbox.arrived
            seen, step = got
            cycle = max(seen, accepted + 1) + _LOOK
            while isinstance(granted := self._tokens.take(Engine.COMPUTE, step.waits, cycle), Gate):
                yield granted
            self._asked.append((cycle, granted, Engine.LOAD in step.waits))
            if self._queued:
                while len(self._seen) < len(self._accepted):
                    yield self._moves
                room = self._seen[-1] + 1 if self._seen else 0
                accepted = max(granted + 1, free, room)
                self._accepted.append((accepted, step))
                self._move()
            else:
                # The back sees it at once, and it is accepted as the back takes it.
                self._accepted.append((max(granted + 1, free), step))
                self._seen.append(self._accepted[-1][0] - 1)
                self._move()
                while len(self._taken) < len(self._accepted):
                    yield self._moves
                accepted = self._taken[-1]
            inbox.let_pass(accepted)
            if isinstance(step, LmmaStep):
                feed.accept(accepted, step.blocks)
                while (last_read := feed.last_read()) is None:
                    yield feed.moves
                free = last_read + 1

    def _move(self) -> None:
        """Instructions are seen and taken by the back, as far as it is known when."""
        accepted, seen, taken, made_up = self._accepted, self._seen, self._taken, self._made_up
        while True:
            number = len(taken)
            if number == len(seen) < len(accepted):
                seen.append(max(accepted[number][0] + 1, taken[-1] if taken else 0))
            if number == len(seen) or number > len(made_up):
                break
            if isinstance(accepted[number][1], PlanesStep):
                break  # not before it is done
            taken.append(max(seen[number] + 1, made_up[-1] if made_up else 0))
        self._moves.open()

    # -- lookups -----------------------------------------------------------------------------------

    def back(self) -> Process:
        """The process of the lookups."""
        passes, number = 1, 0
        while True:
            while len(self._seen) == number:
                yield self._moves
            step = self._accepted[number][1]
            if isinstance(step, PlanesStep):
                # Once the pipeline is empty.
                done = max(self._seen[number] + 1, self._rests[-1]) + _PLANE * step.planes
                passes = step.passes
                self._taken.append(done)
                self._make_up(done)
                self._rest(step, done + 1)
                self.table_stalls.append(0)
            else:
                while len(self._taken) == number:
                    yield self._moves
                yield from self._multiply(step, self._taken[number], passes)
                self._rest(step, self.lookups.end + self._token)
            number += 1

    def _multiply(self, step: LmmaStep, taken: int, passes: int) -> Process:
        """The lookups of an LMMA."""
        feed, lookups, clock = self._feed, self.lookups, self._clock
        length, block, stall = step.outputs * passes, 0, 0
        self.array_busy += step.blocks * length
        # When the first lookup is offered; when the last but one and the last before a block were
        # issued, or where there were none, so that the same follows from it.
        asked = max(taken, lookups.end - 1) + _OFFER
        ends = [max(taken, self._offered), asked - 1]
        while block < step.blocks:
            while (ready := feed.ready()) is None:
                yield feed.moves
            start = max(asked, ready) + feed.probe
            stall += start - asked
            psum = step.psum + block % step.rows * step.stride
            lookups.begin(start, passes, psum, step.outputs)
            block += 1
            if block == step.blocks:
                # A lookup is made up after the last but one before it was issued, and then offered
                # after the one before. As the last one is made up, the next instruction is taken.
                while clock.now < lookups.end - 2:
                    yield lookups.end - 2
                self._make_up(1 + (lookups.end - 2 if length > 2 else ends[length - 1]))
                self._offered = lookups.end - 1 if length > 1 else ends[1]
            while clock.now < lookups.end:
                yield lookups.end
            ends = [ends[1], lookups.end]
            feed.release(lookups.end)
            if lookups.regular and (skip := feed.steady(step.blocks - block)):
                # Every block takes as long as this one: nobody can ask for the port in vain.
                period = feed.skip(skip)
                lookups.repeat(period, skip)
                stall += skip * (period - length)
                block += skip
                while clock.now < lookups.end:
                    yield lookups.end
            asked = lookups.end + 1
        self.table_stalls.append(stall)

    def _make_up(self, cycle: int) -> None:
        self._made_up.append(cycle)
        self._move()

    def _rest(self, step: LmmaStep | PlanesStep, cycle: int) -> None:
        self._rests.append(cycle)
        self._tokens.give(Engine.COMPUTE, step.signals, cycle)
