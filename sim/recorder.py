"""A transport that notes down every program it runs as a `Case`, for replay elsewhere."""

from __future__ import annotations

import numpy as np

from ..hw.registers import COUNTERS, Control, Register
from .case import EXACT_COUNTERS, Case
from .functional import FunctionalDevice

__all__ = ["Recorder"]


class Recorder(FunctionalDevice):
    """The functional device, with everything that crosses its edge on record.

    Each START begins a new `Case` with all that was written until then; what the host reads
    afterwards are its golden results.

    Attributes
    ----------
    cases : list of Case
    """

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.cases: list[Case] = []
        self._writes: list[tuple[int, np.ndarray]] = []

    def write_memory(self, address: int, data: np.ndarray | bytes) -> None:
        """Write bytes from `address` on."""
        super().write_memory(address, data)
        size = len(data) if isinstance(data, bytes) else np.asarray(data).nbytes
        self._writes.append((address, super().read_memory(address, size)))

    def write_register(self, offset: int, value: int) -> None:
        """Write a register; START begins a case."""
        super().write_register(offset, value)
        if offset == Register.CONTROL and value & Control.START:
            program = self.read_register(Register.PROGRAM_LO)
            program |= self.read_register(Register.PROGRAM_HI) << 32
            length = self.read_register(Register.PROGRAM_LENGTH)
            counters = {name: self.read_register(COUNTERS[name]) for name in EXACT_COUNTERS}
            self.cases.append(Case(program, length, list(self._writes), counters=counters))

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """`size` bytes from `address` on."""
        data = super().read_memory(address, size)
        if self.cases:
            self.cases[-1].reads.append((address, data.copy()))
        return data
