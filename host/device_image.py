"""What a device's memory holds once matrices and programs are in it, to be put back elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .accelerator import Accelerator
from .device_memory import DeviceMemory
from .errors import ConfigMismatchError, OutOfDeviceMemoryError
from .loaded_matrix import LoadedMatrix, ProgramKey, StoredProgram
from .matrix_layout import MatrixLayout
from .zero_blocks import UsedBlocks

__all__ = ["DeviceImage", "ResidentMatrix"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ResidentMatrix:
    """A matrix of an image: all of `LoadedMatrix` that is not the device's.

    Attributes
    ----------
    layout : MatrixLayout
    row_scales : ndarray of float32, shape ``[N]``, or None
    used : ndarray of bool, shape ``[k_blocks, n_blocks]``, or None
        Weight blocks that are not all zero, as in `UsedBlocks`.
    weights, groups : int
        Addresses.
    programs : dict
    """

    layout: MatrixLayout
    row_scales: np.ndarray | None
    used: np.ndarray | None
    weights: int
    groups: int
    programs: dict[ProgramKey, StoredProgram]


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceImage:
    """Bytes of a device's memory, and who has what of them.

    Programs name addresses, so an image goes back to the addresses it came from: onto a device
    whose memory nothing else uses yet.

    Attributes
    ----------
    data : ndarray of uint8
        Memory from address 0 on.
    pieces : tuple of (int, int)
        Address and size of each allocation, by address.
    areas : dict of str to (int, int)
        Of `ProgramStore`.
    matrices : tuple of ResidentMatrix
    """

    data: np.ndarray
    pieces: tuple[tuple[int, int], ...]
    areas: dict[str, tuple[int, int]]
    matrices: tuple[ResidentMatrix, ...]

    @classmethod
    def capture(cls, device: Accelerator, matrices: list[LoadedMatrix]) -> DeviceImage:
        """All that a device holds, `matrices` among it."""
        pieces = device.memory.pieces
        size = sum(pieces[-1]) if pieces else 0
        # Activations and outputs are overwritten by every product: nothing of them is kept.
        data = device.transport.read_memory(0, size)
        for address, length in device.programs.areas.values():
            data[address : address + length] = 0
        return cls(
            data=data,
            pieces=tuple(pieces),
            areas=device.programs.areas,
            matrices=tuple(
                ResidentMatrix(
                    layout=m.layout,
                    row_scales=m.row_scales,
                    used=m.used.weights,
                    weights=m.weights,
                    groups=m.groups,
                    programs=dict(m.programs),
                )
                for m in matrices
            ),
        )

    def restore(self, device: Accelerator) -> list[LoadedMatrix]:
        """Put everything back; the matrices, ready for products.

        Raises
        ------
        ConfigMismatchError
            The matrices were packed for another configuration.
        OutOfDeviceMemoryError
            The device's memory is too small, or something lies in it already.
        """
        for matrix in self.matrices:
            if matrix.layout.config != device.config:
                raise ConfigMismatchError(
                    f"the image was packed for configuration {matrix.layout.config.name!r}, not "
                    f"for {device.config.name!r}"
                )
        if device.memory.pieces:
            raise OutOfDeviceMemoryError("the image needs a device whose memory is not used yet")
        _allocate(device.memory, self.pieces)
        shared = {address for address, _ in self.areas.values()}
        for address, size in self.pieces:
            if address not in shared:
                device.transport.write_memory(address, self.data[address : address + size])
        device.programs.adopt(self.areas)
        loaded = []
        for m in self.matrices:
            matrix = LoadedMatrix(
                m.layout,
                row_scales=m.row_scales,
                used=UsedBlocks(weights=m.used),
                weights=m.weights,
                groups=m.groups,
                memory=device.memory,
                pieces=sorted({m.weights, m.groups}),
            )
            matrix.programs.update(m.programs)
            device.programs.add(matrix)
            loaded.append(matrix)
        return loaded


def _allocate(memory: DeviceMemory, pieces: tuple[tuple[int, int], ...]) -> None:
    """Take the same pieces of a memory that is not used yet, holes between them left free."""
    holes, end = [], 0
    for address, size in pieces:
        if address > end:
            holes.append(memory.allocate(address - end))
        if memory.allocate(size) != address:
            raise OutOfDeviceMemoryError(f"address {address:#x} cannot be had on this device")
        end = address + size
    for hole in holes:
        memory.free(hole)
