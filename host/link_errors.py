"""What can go wrong between the driver and a board, by name."""

from __future__ import annotations

from .errors import TransportError

__all__ = [
    "BoardResetError",
    "LinkLostError",
    "NoAnswerError",
    "PortError",
    "WrongDeviceError",
]


class PortError(TransportError):
    """The serial port does not exist, is in use, or may not be opened."""


class NoAnswerError(TransportError, TimeoutError):
    """Nothing that could be used came back in time."""


class WrongDeviceError(TransportError):
    """Something answers, but not in this protocol, or in another version of it."""


class LinkLostError(TransportError):
    """The port failed in the middle of a transfer: a cable was pulled, or a board switched off."""


class BoardResetError(TransportError):
    """The board was reset or configured anew meanwhile; what its memory held is gone."""
