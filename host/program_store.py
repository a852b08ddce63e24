"""Programs in the device's memory, and the areas that all of them share."""

from __future__ import annotations

import weakref

import numpy as np

from .device import Device
from .errors import OutOfDeviceMemoryError
from .loaded_matrix import LoadedMatrix, StoredProgram
from .schedule import Addresses, build_program
from .zero_blocks import UsedBlocks

__all__ = ["ProgramStore"]


class ProgramStore:
    """Builds the program of a product when it is first needed, and keeps it.

    Activations and outputs lie in two areas that every program uses; an area that becomes too
    small is replaced by one at least twice as large, and programs that name it are forgotten.

    Parameters
    ----------
    device : Device
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._areas: dict[str, tuple[int, int]] = {}
        self._matrices: weakref.WeakSet[LoadedMatrix] = weakref.WeakSet()

    @property
    def activations(self) -> int:
        """Address of the activations."""
        return self._areas["activations"][0]

    @property
    def outputs(self) -> int:
        """Address of the outputs."""
        return self._areas["outputs"][0]

    def add(self, matrix: LoadedMatrix) -> None:
        """Let programs of `matrix` be kept."""
        self._matrices.add(matrix)

    def __contains__(self, matrix: object) -> bool:
        return matrix in self._matrices

    def program(
        self, matrix: LoadedMatrix, row_blocks: int, act_planes: int, acts: np.ndarray | None
    ) -> StoredProgram:
        """The program of `row_blocks` row blocks times `matrix`.

        One for given activation blocks `acts` (see `UsedBlocks`) is not kept: the caller frees it.

        Raises
        ------
        OutOfDeviceMemoryError
        """
        layout = matrix.layout
        self._reserve("activations", layout.act_bytes(row_blocks))
        self._reserve("outputs", layout.output_bytes(row_blocks))
        key = row_blocks, act_planes
        stored = matrix.programs.get(key) if acts is None else None
        if stored is None:
            addresses = Addresses(
                weights=matrix.weights,
                groups=matrix.groups,
                activations=self.activations,
                outputs=self.outputs,
            )
            used = UsedBlocks(weights=matrix.used.weights, activations=acts)
            program = build_program(layout, row_blocks, addresses, act_planes=act_planes, used=used)
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
