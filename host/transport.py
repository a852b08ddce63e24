"""The one interface between the driver and a device: simulated, functional or on a board."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np

__all__ = ["Transport"]


@runtime_checkable
class Transport(Protocol):
    """Registers, memory, and a wait: all that the driver needs to know of a device.

    A transport is a structural type: simulated devices implement it without importing it.
    Addresses are byte addresses from 0; registers are 32 bits wide, at the offsets of
    `lutra.hw.registers.Register`.
    """

    @property
    def memory_size(self) -> int:
        """Bytes of memory that the device can reach, from address 0."""
        ...

    def read_register(self, offset: int) -> int:
        """Value of the 32-bit register at byte `offset`."""
        ...

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at byte `offset`."""
        ...

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """`size` bytes from `address` on, as a uint8 array that the caller owns."""
        ...

    def write_memory(self, address: int, data: np.ndarray | bytes) -> None:
        """Write the bytes of `data` (a C-contiguous array of any type) from `address` on."""
        ...

    def wait(self, limit: int | None = None) -> bool:
        """Wait until the device is not busy.

        Parameters
        ----------
        limit : int, optional
            Clock cycles of the device after which to give up; None means the transport's own
            default. A board counts them at its nominal clock.

        Returns
        -------
        bool
            False where the limit passed and the device is still busy.
        """
        ...

    def close(self) -> None:
        """Let go of the device. Closing twice does nothing."""
        ...

    def __enter__(self) -> Transport: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
