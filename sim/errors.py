"""What can go wrong in a simulation, by name."""

from __future__ import annotations

__all__ = ["AccessError", "BusProtocolError", "RegressionError", "SimulationError"]


class SimulationError(RuntimeError):
    """The simulation itself failed, not the program that it runs."""


class BusProtocolError(SimulationError):
    """The core broke a rule of AXI4; the text says which, and in which cycle."""


class AccessError(SimulationError, IndexError):
    """A memory access from the host lies outside the simulated memory, or is malformed."""


class RegressionError(SimulationError):
    """Tests failed in the simulator; the text names them, and the log."""
