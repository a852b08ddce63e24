"""The timing of a simulated memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MemoryTiming"]


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """The memory that a program is predicted for, as `VerilatorDevice` simulates it.

    Parameters
    ----------
    latency : int
        Cycles from a read address to its first beat, and from the last beat of a write to
        its response; at least 1.
    bytes_per_cycle : float
        Bandwidth that reads and writes share; 0 is one beat a cycle in each direction.
    """

    latency: int = 32
    bytes_per_cycle: float = 0
