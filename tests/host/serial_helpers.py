"""A board in software for the tests: the model of the link in front of a functional device."""

from __future__ import annotations

from lutra.boards.link.model import LinkModel, LinkTarget
from lutra.gen.config_names import load_config
from lutra.sim.functional import FunctionalDevice

__all__ = ["EmulatedBoard"]


class EmulatedBoard:
    """A `ByteDevice` that answers like a board, at once."""

    def __init__(self, target: LinkTarget | None = None, *, buffer_bytes: int = 2048) -> None:
        self.target = target or FunctionalDevice(load_config("tiny"), memory_bytes=1 << 16)
        self.model = LinkModel(self.target, buffer_bytes=buffer_bytes)

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        return self.model.feed(received), False
