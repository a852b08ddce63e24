"""Finds the section of a program that repeats itself."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...hw.bursts import burst_beats
from ...hw.config import Config
from .fetch import piece_instructions
from .reads import burst_sizes
from .steps import LmmaStep, LoadStep, PlanesStep, Step, StoreStep
from .writes import LONGEST_BURST

__all__ = ["Section", "find_period"]

_SHORT = 128  # instructions of a program that is not worth the search
_LEAST = 32  # instructions of a period: three of them hold all that an instruction can wait for
_TIMES = 8  # that something has to come
_CANDIDATES = 24
_SOON = 8


class Section(NamedTuple):
    """Steps ``begin .. begin + times * period``, of which each is like the one `period` before."""

    begin: int
    period: int
    times: int


def find_period(config: Config, steps: list[Step]) -> Section | None:
    """The section that repeats itself, where there is one that is most of the program.

    Steps are alike if they have the same tokens, sizes and bursts.
    """
    if len(steps) < _SHORT:
        return None
    kinds = _kinds(config, steps)
    best, piece, most = None, piece_instructions(config), 0.0
    for period in _candidates(kinds, piece):
        alike = np.concatenate([[0], kinds[period:] == kinds[:-period], [0]])
        edges = np.flatnonzero(np.diff(alike))
        if not len(edges):
            continue
        lengths = edges[1::2] - edges[::2]
        longest = int(lengths.argmax())
        section = Section(int(edges[2 * longest]), period, int(lengths[longest]) // period + 1)
        if section.times >= _TIMES and _worth(section, piece) > most:
            best, most = section, _worth(section, piece)
    return best if most > len(steps) / 2 else None


def _worth(section: Section, piece: int) -> float:
    """Instructions that need not be followed; fewer count where FETCH's pieces lie differently."""
    left_out = (section.times - _TIMES // 2) * section.period
    return left_out if section.period % piece == 0 else left_out * 0.75


def _candidates(kinds: np.ndarray, piece: int) -> list[int]:
    """Periods that steps of one kind come back with, those of most steps first."""
    order = np.argsort(kinds, kind="stable")
    distances = np.diff(order)[np.diff(kinds[order]) == 0]
    found, counts = np.unique(distances, return_counts=True)
    often = counts >= _TIMES - 1
    found, counts = found[often], counts[often]
    first = found[np.argsort(found * counts)[::-1][:_CANDIDATES]].tolist()
    periods = {distance * -(-_LEAST // distance) for distance in first}
    periods |= {math.lcm(period, piece) for period in periods}
    return sorted(period for period in periods if period * _TIMES <= len(kinds))


def _kinds(config: Config, steps: list[Step]) -> np.ndarray:
    """Equal numbers for steps that are alike."""
    numbers: dict[tuple[object, ...], int] = {}
    kinds, last_psum = np.empty(len(steps), np.int32), -1
    beat, longest = config.axi_bits // 8, burst_beats(config)
    for i, step in enumerate(steps):
        kind: tuple[object, ...] = step
        if isinstance(step, LmmaStep):
            # Only whether it soon comes to a partial sum of the one before matters.
            back = last_psum - step.psum
            kind = (*step._replace(psum=0), back if 0 <= back < _SOON else -1)
            last_psum = step.last_psum
        elif isinstance(step, LoadStep | StoreStep):
            most = longest if isinstance(step, LoadStep) else min(longest, LONGEST_BURST)
            first = burst_sizes(step.address // beat, step.beats, most)[0]
            kind = step._replace(address=first)
        elif isinstance(step, PlanesStep):
            kind = (i,)
        kinds[i] = numbers.setdefault(kind, len(numbers))
    return kinds
