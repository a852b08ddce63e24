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

__all__ = ["LoadedMatrix", "StoredProgram"]


class StoredProgram(NamedTuple):
    """A program in the device's memory."""

    address: int
    length: int


class LoadedMatrix:
    """Weights packed and sent; made by `Accelerator.load`.

    The device's memory is given back by `free`, or when the object is collected.

    Attributes
    ----------
    layout : MatrixLayout
    row_scales : ndarray of float32, shape ``[N]``, or None
    weights, groups : int
        Addresses of the two images.
    used : UsedBlocks
        K blocks of weights that are not all zero.
    programs : dict
        Programs by (row blocks, activation planes), kept by the accelerator.
    """

    def __init__(
        self,
        matrix: QuantizedMatrix,
        layout: MatrixLayout,
        *,
        transport: Transport,
        memory: DeviceMemory,
        image: LoadedMatrix | None = None,
    ) -> None:
        self.layout = layout
        self._image = image  # whose weights these are
        self.row_scales = matrix.row_scales
        self.used = UsedBlocks(weights=used_weights(matrix, layout))
        self.programs: dict[tuple[int, int], StoredProgram] = {}
        pieces: list[int] = []
        self._free = weakref.finalize(self, _release, memory, pieces, self.programs)
        self._free.atexit = False
        try:
            if image is None:
                self.weights = _send(transport, memory, pieces, pack_weights(matrix, layout))
            else:
                layout.check_begins(image.layout)
                self.weights = image.weights
            self.groups = self.weights
            if layout.grouped:
                self.groups = _send(transport, memory, pieces, pack_groups(matrix, layout))
        except BaseException:
            self._free()
            raise

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
    memory: DeviceMemory, pieces: list[int], programs: dict[tuple[int, int], StoredProgram]
) -> None:
    for address in pieces + [program.address for program in programs.values()]:
        memory.free(address)
    pieces.clear()
    programs.clear()
