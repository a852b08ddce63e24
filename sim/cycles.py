"""Cycle counts from configuration and program alone: no data, no clock.

The model follows the instructions of a program through the stages of the hardware and computes for
each when it enters and leaves them. It does so in the order of cycles (`timing.event_clock`), but
steps from one event to the next: an instruction, a burst, a K block, a word stored. What happens in
between follows from a few sums. The stages and their cycles are those of the hardware's sources,
one file of `timing` for each part there; nothing is fitted, and counts are the RTL's to the cycle.

Where a constant of `timing` no longer fits the hardware, tests/sim/test_cycles.py says for which
program first; comparing the times of that program's instructions with a waveform leads to it.
"""

from __future__ import annotations

import numpy as np

from ..hw.config import Config
from ..hw.isa import Engine
from ..hw.registers import COUNTERS
from .memory_timing import MemoryTiming
from .timing.compute import ComputeTiming
from .timing.engines import TokenTimes
from .timing.event_clock import Clock, Gate
from .timing.fetch import FetchTiming, program_beats
from .timing.load import LoadTiming
from .timing.memory import create_memory
from .timing.pack import PackTiming
from .timing.period import Section, find_period
from .timing.reads import ReadTiming
from .timing.steps import LmmaStep, LoadStep, PlanesStep, Step, StoreStep, program_steps
from .timing.store import StoreTiming
from .timing.writes import WriteTiming

__all__ = ["MemoryTiming", "predict"]

_IDLE = 1  # the last engine's rest to the end of the program
# Periods that are followed of a program that repeats itself, and where these still differ.
_KEPT = (4, 12)


def predict(
    config: Config, program: np.ndarray, timing: MemoryTiming | None = None
) -> dict[str, int]:
    """Counters of a legal program, by their names in `hw.registers.COUNTERS`.

    Long programs repeat themselves, tile by tile and chunk by chunk. Of a section that does, only
    some periods are followed; where these take equally long, so do all that are left out.

    Parameters
    ----------
    config : Config
    program : ndarray of uint64, shape ``[instructions, 2]``
    timing : MemoryTiming, optional
    """
    timing = timing or MemoryTiming()
    steps = program_steps(config, program)
    section = find_period(config, steps)
    counters = None
    if section is not None:
        for kept in _KEPT:
            if counters is None and 2 * kept <= section.times:
                counters = _shortened(config, steps, timing, section, kept)
    if counters is None:
        counters = _Run(config, steps, timing).counters()
    return {**dict.fromkeys(COUNTERS, 0), **counters, **_sums(config, steps)}


def _shortened(
    config: Config, steps: list[Step], timing: MemoryTiming, section: Section, kept: int
) -> dict[str, int] | None:
    """Counters from `kept` periods of a section; None where the last of them differ."""
    begin, period, times = section
    end = begin + kept * period
    run = _Run(config, steps[:end] + steps[begin + times * period :], timing)
    each = run.period(end, period)
    if each is None:
        return None
    first, last = (
        sum(step.engine is Engine.COMPUTE for step in steps[:i]) for i in (end - period, end)
    )
    counters = run.counters()
    for name, cycles in (("cycles", each), *run.stalls(first, last).items()):
        counters[name] += (times - kept) * cycles
    return counters


class _Run:
    """A program as it runs on the model."""

    def __init__(self, config: Config, steps: list[Step], timing: MemoryTiming) -> None:
        clock = Clock()
        self._steps = steps
        progress = Gate(clock)
        self._tokens = tokens = TokenTimes(clock)
        memory = create_memory(config, timing, clock)
        reads = ReadTiming(config, clock, memory)
        load = LoadTiming(config, clock, reads, tokens, progress)
        self._compute = compute = ComputeTiming(config, clock, tokens, progress)
        writes = WriteTiming(config, timing.latency, clock, memory)
        pack = PackTiming(config, clock, writes)
        store = StoreTiming(config, clock, compute, pack, writes, tokens, progress)
        inboxes = {
            Engine.LOAD: load.inbox,
            Engine.COMPUTE: compute.inbox,
            Engine.STORE: store.inbox,
        }
        self._fetch = fetch = FetchTiming(config, reads, inboxes, progress)
        for process in (
            fetch.run(steps), load.run(), compute.front(), compute.back(),
            store.run(), store.ask(), pack.run(),
        ):  # fmt: skip
            clock.start(process)
        clock.run()
        self._cycles = max(fetch.ended, max(load.rest, compute.rest, store.rest) + _IDLE)

    def period(self, end: int, steps: int) -> int | None:
        """Cycles of the last `steps` steps before `end`, if what came before took as long twice.

        Each of these steps was dispatched, and completed, so many cycles after its predecessor.
        """
        times = [self._fetch.dispatched[end - 3 * steps : end]]
        for engine, completed in self._tokens.completed.items():
            first, last = (
                sum(step.engine is engine for step in self._steps[:i])
                for i in (end - 3 * steps, end)
            )
            times.append(completed[first:last])
        each = times[0][-1] - times[0][-1 - steps]
        for cycles in times:
            if not (np.diff(np.reshape(cycles, (3, -1)), axis=0) == each).all():
                return None
        return each

    def counters(self) -> dict[str, int]:
        """All that depend on time."""
        return {"cycles": self._cycles, **self.stalls(0, None)}

    def stalls(self, first: int, last: int | None) -> dict[str, int]:
        """Of some of the instructions of COMPUTE."""
        tokens = self._compute.token_stalls()[first:last]
        return {
            "table_stall": sum(self._compute.table_stalls[first:last]),
            "weight_stall": sum(weight for weight, _ in tokens),
            "store_stall": sum(store for _, store in tokens),
        }


def _sums(config: Config, steps: list[Step]) -> dict[str, int]:
    """Counters that follow from the instructions alone."""
    read, written = sum(program_beats(config, len(steps))), 0
    passes = lookups = 0
    for step in steps:
        if isinstance(step, LmmaStep):
            lookups += step.blocks * step.outputs * passes
        elif isinstance(step, LoadStep):
            read += step.beats
        elif isinstance(step, StoreStep):
            written += step.beats
        elif isinstance(step, PlanesStep):
            passes = step.passes
    beat = config.axi_bits // 8
    return {"array_busy": lookups, "bytes_read": read * beat, "bytes_written": written * beat}
