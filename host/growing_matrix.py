"""A low-bit matrix on the device that grows: only what an append changes is packed and sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from .accelerator import Accelerator
from .errors import DtypeError, LutraError, RangeError, ShapeError
from .loaded_matrix import LoadedMatrix
from .packing import pack_weights
from .quantized_matrix import QuantizedMatrix
from .shape_layout import layout_of_shape
from .zero_blocks import UsedBlocks

__all__ = ["GrowingMatrix", "GrowthAxis", "check_new_codes"]

GrowthAxis = Literal["outputs", "inputs"]


class GrowingMatrix(LoadedMatrix):
    """Codes ``[positions, width]`` as weights of `Accelerator.matmul`, extended by `append`.

    Growing by outputs, ``N = positions`` and ``K = width``: ``Y = X @ (codes - z).T``. Growing by
    inputs, ``K = positions`` and ``N = width``: ``Y = X @ (codes - z)``. In both
    ``z = 2**(bits - 1)``.

    Inputs are appended at the end of the weight image, which lies K block by K block. For outputs
    the image has room in every K block (`MatrixLayout.n_pitch`). An append packs the blocks that
    positions were added to, so at most one that was packed before. Where the room runs out it is
    doubled: the packed words are moved, none is packed anew. Programs are rebuilt when a block is
    begun, every `Config.lanes` or `Config.k_block` positions.

    Parameters
    ----------
    accelerator : Accelerator
    width : int
    bits : int
        1 to 8.
    axis : {"outputs", "inputs"}
        What positions are.
    capacity : int
        Positions to make room for at first.

    Raises
    ------
    UnsupportedFormatError
        The device's accumulators are too small for `bits`.
    OutOfDeviceMemoryError
    """

    def __init__(
        self,
        accelerator: Accelerator,
        width: int,
        *,
        bits: int,
        axis: GrowthAxis,
        capacity: int = 256,
    ) -> None:
        if axis not in ("outputs", "inputs"):
            raise RangeError(f"axis must be 'outputs' or 'inputs', not {axis!r}")
        c = accelerator.config
        self._bits, self._width, self._outputs = bits, width, axis == "outputs"
        self._block = c.lanes if self._outputs else c.k_block
        self._transport, self._memory = accelerator.transport, accelerator.memory
        self._word_bytes = c.memory_word_bits(c.weight_word_bits) // 8
        self._room = max(1, -(-capacity // self._block))
        self._length = self._blocks = 0
        shape = (1, width) if self._outputs else (width, 1)
        layout = layout_of_shape(c, *shape, bits, zero_point=1 << bits - 1)
        if self._outputs:
            layout = replace(layout, n_pitch=self._room)
        # [K blocks][output blocks][planes][bytes]
        blocks = (layout.k_blocks, self._room) if self._outputs else (self._room, layout.n_blocks)
        self._words = np.zeros((*blocks, layout.planes, self._word_bytes), np.uint8)
        self._codes = np.zeros((self._room * self._block, width), np.uint8)
        address = self._memory.allocate(self._words.nbytes)
        self._pieces = [address]
        super().__init__(
            layout,
            row_scales=None,
            used=UsedBlocks(),
            weights=address,
            groups=address,
            memory=self._memory,
            pieces=self._pieces,
        )
        accelerator.programs.add(self)

    @property
    def length(self) -> int:
        """Positions so far."""
        return self._length

    @property
    def codes(self) -> np.ndarray:
        """All codes, uint8 ``[positions, width]`` (a view that must not be written)."""
        return self._codes[: self._length]

    def append(self, codes: np.ndarray) -> None:
        """Add positions at the end.

        Parameters
        ----------
        codes : ndarray of uint8, shape ``[count, width]``
            Below ``2**bits``.

        Raises
        ------
        DtypeError, ShapeError, RangeError
        LutraError
            The matrix was freed.
        OutOfDeviceMemoryError
            Nothing was added.
        """
        if self.freed:
            raise LutraError("this matrix was freed; make another one")
        check_new_codes(codes, self._width, self._bits)
        if not len(codes):
            return
        before, after = self._length, self._length + len(codes)
        first, last = before // self._block, -(-after // self._block)
        if last > self._room:
            self._make_room(last)
        self._codes[before:after] = codes
        self._length = after
        self._set_shape(last)
        self._pack(first, last)

    def check_usable(self) -> None:
        """Raise `LutraError` if the matrix is empty or was freed."""
        super().check_usable()
        if not self._length:
            raise LutraError("the matrix has no positions yet; append some")

    def _set_shape(self, blocks: int) -> None:
        if blocks != self._blocks:
            self._blocks = blocks
            self._forget_programs()
            if self._outputs:
                self.layout = replace(self.layout, n_blocks=blocks, n_pitch=self._room)
            else:
                self.layout = layout_of_shape(
                    self.layout.config,
                    self._width,
                    blocks * self._block,
                    self._bits,
                    zero_point=1 << self._bits - 1,
                )
        if self._outputs:
            self.layout = replace(self.layout, n=self._length)
        else:
            self.layout = replace(self.layout, k=self._length, group_width=self._length)

    def _pack(self, first: int, last: int) -> None:
        """Pack and send the blocks of positions from `first` to `last`."""
        rows = self._codes[first * self._block : last * self._block]
        count = last - first
        if self._outputs:
            matrix = QuantizedMatrix.from_codes(rows, self._bits)
            layout = replace(self.layout, n=len(rows), n_blocks=count)
            words = pack_weights(matrix, layout).reshape(layout.k_blocks, count, -1)
            flat = self._words.reshape(layout.k_blocks, self._room, -1)
            flat[:, first:last] = words
            step = flat[0, 0].size
            for k in range(layout.k_blocks):
                address = self.weights + (k * self._room + first) * step
                self._transport.write_memory(address, np.ascontiguousarray(flat[k, first:last]))
            return
        matrix = QuantizedMatrix.from_codes(np.ascontiguousarray(rows.T), self._bits)
        layout = replace(self.layout, k=len(rows), k_blocks=count, group_blocks=count,
                         group_width=len(rows))  # fmt: skip
        words = pack_weights(matrix, layout).reshape(count, *self._words.shape[1:])
        self._words[first:last] = words
        self._transport.write_memory(self.weights + first * self._words[0].nbytes, words)

    def _make_room(self, blocks: int) -> None:
        """Move to twice the memory, or as much as `blocks` need."""
        room = max(blocks, 2 * self._room)
        shape = list(self._words.shape)
        shape[1 if self._outputs else 0] = room
        address = self._memory.allocate(int(np.prod(shape)))
        image = np.zeros(shape, np.uint8)
        have = self._room
        if self._outputs:
            image[:, :have] = self._words
        else:
            image[:have] = self._words
        self._transport.write_memory(address, image)
        self._memory.free(self.weights)
        self._pieces[:] = [address]
        self.weights = self.groups = address
        codes = np.zeros((room * self._block, self._width), np.uint8)
        codes[: self._length] = self.codes
        self._words, self._codes, self._room = image, codes, room
        self._forget_programs()

    def _forget_programs(self) -> None:
        for program in self.programs.values():
            self._memory.free(program.address)
        self.programs.clear()


def check_new_codes(codes: np.ndarray, width: int, bits: int) -> None:
    """``[count, width]`` codes of `bits` bits.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"codes must be a uint8 array, not {found}")
    if codes.ndim != 2 or codes.shape[1] != width:
        raise ShapeError(f"codes must have shape [count, {width}], not {codes.shape}")
    if bits < 8 and codes.size and int(codes.max()) >= 1 << bits:
        raise RangeError(f"codes must be below {1 << bits}, not {int(codes.max())}")
