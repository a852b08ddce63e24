"""The cycles of lookups, for STORE, which shares the port of the partial sums with them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ...hw.partial_sums import PartialSums

__all__ = ["LookupTimes"]

#: Cycles between two lookups that complete the same partial sum: it is read, and written again.
_SPACING = 2 + PartialSums.registers


@dataclass
class _Run:
    """Lookups of a K block, one a cycle but for those left out; or of blocks that are all alike."""

    start: int
    end: int
    passes: int
    left_out: list[int] = field(default_factory=list)
    length: int = 0  # of one of several blocks
    period: int = 0

    def completes(self, cycle: int) -> bool:
        place = cycle - self.start
        if self.period and (place := place % self.period) >= self.length:
            return False
        return place % self.passes == self.passes - 1 and cycle not in self.left_out


class LookupTimes:
    """The last lookups, and where they complete partial sums.

    Parameters
    ----------
    keep : int
        Runs of lookups to be remembered.

    Attributes
    ----------
    end : int
        The cycle of the last lookup; it may still become later (`hold`) until it has come.
    """

    def __init__(self, *, keep: int) -> None:
        self._runs = deque[_Run](maxlen=keep)
        self._holds = deque[int]()
        self._completed: dict[int, int] = {}  # when the last partial sums were
        self.end = -1

    @property
    def regular(self) -> bool:
        """Another lookup than the one before completes a sum, and none of a block was left out."""
        return self._runs[-1].passes > 1 and not self._runs[-1].left_out

    def begin(self, start: int, passes: int, psum: int, outputs: int) -> None:
        """Lookups from cycle `start` on, `passes` for each of the partial sums from `psum` on.

        A sum that is on its way to memory is waited for.
        """
        first, last = psum, psum + outputs - 1
        wait = 0
        for i in range(min(outputs, _SPACING)):
            due = self._completed.get(first + i, -_SPACING) + _SPACING
            wait = max(wait, due - (start + (i + 1) * passes - 1))
        if passes == 1:
            start += wait
            wait = 0
        run, holds = _Run(start, start + passes * outputs - 1, passes), self._holds
        for _ in range(wait):
            self._leave_out(run, run.start + passes - 1)
        while holds and holds[0] <= run.end:
            self._leave_out(run, holds.popleft())
        self._runs.append(run)
        self.end = run.end
        self._note(last, passes, outputs)

    def _note(self, last: int, passes: int, outputs: int) -> None:
        """When the last sums of the run, and those just before it, are complete."""
        recent = {p: c for p, c in self._completed.items() if c > self.end - _SPACING}
        count = min(outputs, _SPACING)
        self._completed = recent | {last - i: self.end - i * passes for i in range(count)}

    def repeat(self, period: int, times: int) -> None:
        """The last run comes again and again."""
        last = self._runs[-1]
        length, end = last.end - last.start + 1, last.end + period * times
        start = last.start + period
        self._runs.append(_Run(start, end, last.passes, length=length, period=period))
        self._completed = {p: c + period * times for p, c in self._completed.items()}
        self.end = end

    def hold(self, cycle: int) -> None:
        """There is no lookup in `cycle`, which lies ahead."""
        if cycle > self.end:
            self._holds.append(cycle)
        elif self._runs:
            self._leave_out(self._runs[-1], cycle)
            self._completed = {p: c + (c >= cycle) for p, c in self._completed.items()}
            self.end = self._runs[-1].end

    def completes(self, cycle: int) -> bool:
        """Whether a lookup in `cycle`, which lies behind, completed a partial sum."""
        for run in reversed(self._runs):
            if cycle > run.end:
                return False
            if cycle >= run.start:
                return run.completes(cycle)
        return False

    @staticmethod
    def _leave_out(run: _Run, cycle: int) -> None:
        if cycle < run.start:
            return
        run.end += 1
        if cycle == run.start:
            run.start += 1
        else:
            run.left_out.append(cycle)
