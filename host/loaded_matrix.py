"""A weight matrix on the device, and the programs that multiply by it."""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np

from .device_memory import DeviceMemory
from .errors import LutraError
from .matrix_layout import MatrixLayout
from .packing import pack_groups, pack_weights
from .quantized_matrix import QuantizedMatrix
from .transport import Transport
from .zero_blocks import UsedBlocks, used_weights

__all__ = ["LoadedMatrix", "ProgramKey", "StoredProgram"]


class StoredProgram(NamedTuple):
    """A program in the device's memory."""

    address: int
    length: int


class ProgramKey(NamedTuple):
    """What tells the programs of one matrix apart.

    Attributes
    ----------
    row_blocks, act_planes : int
    source, target : str
        Areas of `ProgramStore` that it reads and writes.
    requantise : (int, int) or None
        Multiplier and shift of STORE, where the target is another product's activations.
    """

    row_blocks: int
    act_planes: int
    source: str = "activations"
    target: str = "outputs"
    requantise: tuple[int, int] | None = None


class LoadedMatrix:
    """Weights in a device's memory; made by `Accelerator.load` or `Accelerator.adopt`.

    The device's memory is given back by `free`, or when the object is collected.

    Parameters
    ----------
    layout : MatrixLayout
    row_scales : ndarray of float32, shape ``[N]``, or None
    used : UsedBlocks
        K blocks of weights that are not all zero.
    weights, groups : int
        Addresses of the two images.
    memory : DeviceMemory
        Where `pieces` go back to.
    pieces : list of int
        Addresses of the allocated pieces that are this matrix's own.
    image : LoadedMatrix, optional
        Whose weights these are.

    Attributes
    ----------
    programs : dict
        Programs, kept by the accelerator.
    """

    def __init__(
        self,
        layout: MatrixLayout,
        *,
        row_scales: np.ndarray | None,
        used: UsedBlocks,
        weights: int,
        groups: int,
        memory: DeviceMemory,
        pieces: list[int],
        image: LoadedMatrix | None = None,
    ) -> None:
        self.layout, self.row_scales, self.used = layout, row_scales, used
        self.weights, self.groups = weights, groups
        self._image = image
        self.programs: dict[ProgramKey, StoredProgram] = {}
        self._free = weakref.finalize(self, _release, memory, pieces, self.programs)
        self._free.atexit = False

    @classmethod
    def send(
        cls,
        matrix: QuantizedMatrix,
        layout: MatrixLayout,
        *,
        transport: Transport,
        memory: DeviceMemory,
        image: LoadedMatrix | None = None,
    ) -> LoadedMatrix:
        """Pack the two images of `matrix` and write them; `image` as of `Accelerator.load`."""
        pieces: list[int] = []
        try:
            if image is None:
                weights = _send(transport, memory, pieces, pack_weights(matrix, layout))
            else:
                layout.check_begins(image.layout)
                weights = image.weights
            groups = weights
            if layout.grouped:
                groups = _send(transport, memory, pieces, pack_groups(matrix, layout))
        except BaseException:
            _release(memory, pieces, {})
            raise
        return cls(
            layout,
            row_scales=matrix.row_scales,
            used=UsedBlocks(weights=used_weights(matrix, layout)),
            weights=weights,
            groups=groups,
            memory=memory,
            pieces=pieces,
            image=image,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self.layout.n, self.layout.k

    @property
    def freed(self) -> bool:
        """The device no longer has these weights."""
        return not self._free.alive or (self._image is not None and self._image.freed)

    def free(self) -> None:
        """Give the device's memory back. Freeing twice does nothing."""
        self._free()

    def check_usable(self) -> None:
        """Raise `LutraError` if the weights were freed."""
        if self.freed:
            raise LutraError("these weights were freed; load them again")

    def __repr__(self) -> str:
        n, k = self.shape
        planes = self.layout.planes
        return f"LoadedMatrix({n} x {k}, {planes} planes{', freed' if self.freed else ''})"


def _send(transport: Transport, memory: DeviceMemory, pieces: list[int], image: np.ndarray) -> int:
    address = memory.allocate(image.nbytes)
    pieces.append(address)
    transport.write_memory(address, image)
    return address


def _release(
    memory: DeviceMemory, pieces: list[int], programs: dict[ProgramKey, StoredProgram]
) -> None:
    for address in pieces + [program.address for program in programs.values()]:
        memory.free(address)
    pieces.clear()
    programs.clear()
