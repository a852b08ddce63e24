"""Programs in the device's memory, and the areas that all of them share."""

from __future__ import annotations

import weakref

import numpy as np

from .device import Device
from .errors import OutOfDeviceMemoryError
from .loaded_matrix import LoadedMatrix, ProgramKey, StoredProgram
from .schedule import Addresses, build_program
from .zero_blocks import UsedBlocks

__all__ = ["ProgramStore"]


class ProgramStore:
    """Builds the program of a product when it is first needed, and keeps it.

    Activations and outputs lie in areas that programs share; an area that becomes too
    small is replaced by one at least twice as large, and programs that name it are forgotten.

    Parameters
    ----------
    device : Device
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._areas: dict[str, tuple[int, int]] = {}
        self._matrices: weakref.WeakSet[LoadedMatrix] = weakref.WeakSet()

    def address(self, area: str) -> int:
        """Where an area lies: ``"activations"``, ``"outputs"``, or one between chained products."""
        return self._areas[area][0]

    @property
    def areas(self) -> dict[str, tuple[int, int]]:
        """Address and size of each area in use."""
        return dict(self._areas)

    def adopt(self, areas: dict[str, tuple[int, int]]) -> None:
        """Use areas that were allocated elsewhere, before there are any."""
        if self._areas:
            raise ValueError(f"areas are in use already: {sorted(self._areas)}")
        self._areas = dict(areas)

    def add(self, matrix: LoadedMatrix) -> None:
        """Let programs of `matrix` be kept."""
        self._matrices.add(matrix)

    def __contains__(self, matrix: object) -> bool:
        return matrix in self._matrices

    def program(
        self, matrix: LoadedMatrix, key: ProgramKey, acts: np.ndarray | None = None
    ) -> StoredProgram:
        """The program of `key` times `matrix`.

        One for given activation blocks `acts` (see `UsedBlocks`) is not kept: the caller frees it.

        Raises
        ------
        OutOfDeviceMemoryError
        """
        layout = matrix.layout
        self._reserve(key.source, layout.act_bytes(key.row_blocks))
        self._reserve(key.target, layout.output_bytes(key.row_blocks))
        stored = matrix.programs.get(key) if acts is None else None
        if stored is None:
            addresses = Addresses(
                weights=matrix.weights,
                groups=matrix.groups,
                activations=self.address(key.source),
                outputs=self.address(key.target),
            )
            program = build_program(
                layout,
                key.row_blocks,
                addresses,
                act_planes=key.act_planes,
                used=UsedBlocks(weights=matrix.used.weights, activations=acts),
                timing=getattr(self._device.transport, "timing", None),
                requantise=key.requantise,
            )
            stored = self.send(program)
            if acts is None:
                matrix.programs[key] = stored
        return stored

    def send(self, program: np.ndarray) -> StoredProgram:
        """Put a program into the device's memory, at the cost of kept ones if need be.

        Raises
        ------
        OutOfDeviceMemoryError
        """
        try:
            return self._device.send_program(program)
        except OutOfDeviceMemoryError:
            self._forget()
            return self._device.send_program(program)

    def _reserve(self, name: str, size: int) -> None:
        address, have = self._areas.get(name, (0, 0))
        if size <= have:
            return
        self._forget()
        memory = self._device.memory
        if have:
            memory.free(address)
            del self._areas[name]
        room = max(size, min(2 * have, memory.available // 4))
        try:
            self._areas[name] = memory.allocate(room), room
        except OutOfDeviceMemoryError:
            self._areas[name] = memory.allocate(size), size

    def _forget(self) -> None:
        for matrix in self._matrices:
            for program in matrix.programs.values():
                self._device.memory.free(program.address)
            matrix.programs.clear()
