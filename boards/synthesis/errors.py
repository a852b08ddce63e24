"""What can go wrong between a configuration and its bitstream, by name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DoesNotFitError",
    "FlowError",
    "FlowToolError",
    "FlowToolMissingError",
    "ProgramError",
    "Shortage",
]


class FlowError(RuntimeError):
    """No bitstream came of it."""


class FlowToolMissingError(FlowError):
    """A tool is not installed; the text says how to get it."""


class FlowToolError(FlowError):
    """A tool stopped with an error; the text is its own."""


class ProgramError(FlowError):
    """The board could not be loaded, or does not answer."""


@dataclass(frozen=True)
class Shortage:
    """One kind of cell that a device has too few of.

    Attributes
    ----------
    kind : str
        As the place-and-route tool calls it.
    used, available : int
    """

    kind: str
    used: int
    available: int

    def __str__(self) -> str:
        over = self.used - self.available
        return (
            f"{self.used:,} {self.kind} of {self.available:,}, {over:,} too many "
            f"({self.used / max(self.available, 1):.2f} times)"
        )


class DoesNotFitError(FlowError):
    """The design is larger than the device; `shortages` says what is short and by how much."""

    def __init__(self, design: str, shortages: list[Shortage], suggestion: str = "") -> None:
        self.design = design
        self.shortages = shortages
        text = f"{design} does not fit: it needs " + "; ".join(map(str, shortages))
        super().__init__(f"{text}. {suggestion}" if suggestion else text)
