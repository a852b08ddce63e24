"""Products behind one another that never leave the device: outputs become activations there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..hw.requantise import MULTIPLIER_BITS, SHIFT_BITS
from .accelerator import Accelerator
from .activations import check_activations
from .errors import RangeError, UnsupportedFormatError
from .loaded_matrix import LoadedMatrix, ProgramKey, StoredProgram
from .matrix_layout import MatrixLayout
from .packing import pack_activations, unpack_outputs

__all__ = ["ChainedProducts", "Requantisation", "chain_error"]


class Requantisation(NamedTuple):
    """``x' = clip((y * multiplier + 2**(shift - 1)) >> shift)`` to the width of an activation.

    The rounding of STORE (`lutra.hw.requantise`): integer arithmetic in place of a float factor,
    as in Jacob et al., CVPR 2018 (arXiv:1712.05877).
    """

    multiplier: int
    shift: int

    @classmethod
    def of(cls, factor: float) -> Requantisation:
        """The nearest to ``y * factor``: the multiplier has all its bits, if they are needed.

        Raises
        ------
        RangeError
            The factor is not positive, or beyond what multiplier and shift can express.
        """
        if not 0 < factor < math.inf:
            raise RangeError(f"factor must be positive and finite, not {factor}")
        most = (1 << MULTIPLIER_BITS) - 1
        shift = MULTIPLIER_BITS - math.frexp(factor)[1]
        if round(factor * 2.0**shift) > most:
            shift -= 1
        shift = min(shift, (1 << SHIFT_BITS) - 1)
        multiplier = round(factor * 2.0**shift) if shift >= 0 else 0
        if not 0 < multiplier <= most:
            raise RangeError(f"factor must be from 2**-63 to {most}, not {factor}")
        while shift and multiplier % 2 == 0:
            multiplier, shift = multiplier // 2, shift - 1
        return cls(multiplier, shift)


def chain_error(first: MatrixLayout, second: MatrixLayout) -> str | None:
    """Why outputs of `first` cannot lie in memory as activations of `second`; None if they can.

    Outputs come as ``[row block][output block][lane][row]`` and activations are taken as ``[row
    block][K block][input][row]``: the same bytes where neither pads anything.
    """
    c = first.config
    if not c.requantise_lanes:
        return "the accelerator was built without requantisation (requantise_lanes = 0)"
    if second.k != first.n:
        return f"the next product has {second.k} inputs, not {first.n}"
    if len(first.segments) > 1:
        return "its partial sums do not fit the accelerator in one piece"
    if c.act_exponent_bits:
        return "block-scaled activations have exponents that only the host sets"
    if c.requant_bits != c.act_elem_bits:
        return "requantised outputs have another width than activations"
    words = (c.requant_word_bits, c.act_word_bits)
    if any(c.memory_word_bits(word) != word for word in words):
        return "words of outputs or activations are padded in memory"
    whole = first.n == first.n_blocks * c.lanes == second.k_blocks * c.k_block
    if not whole or second.act_pitch != second.k_blocks:
        return f"{first.n} outputs do not fill blocks of {c.lanes} outputs and {c.k_block} inputs"
    if first.n * c.rows * c.requant_bits % c.axi_bits:
        return f"a row of {first.n} outputs does not fill beats of {c.axi_bits} bits"
    return None


class ChainedProducts:
    """``y = (... q(q(x @ W0.T) @ W1.T) ...) @ Wn.T``, q a requantisation on the device.

    Only the activations of the first product and the outputs of the last cross the link. Between
    two products STORE requantises and writes what the next one's LOAD reads and tabulates.

    Parameters
    ----------
    device : Accelerator
    matrices : sequence of LoadedMatrix
        At least two, without row scales.
    links : sequence of Requantisation
        One between each two.

    Raises
    ------
    UnsupportedFormatError
        Two of them cannot follow one another on the device.
    """

    def __init__(
        self,
        device: Accelerator,
        matrices: Sequence[LoadedMatrix],
        links: Sequence[Requantisation],
    ) -> None:
        if len(matrices) < 2 or len(links) != len(matrices) - 1:
            raise RangeError(
                f"links must be one fewer than at least 2 matrices, not {len(links)} for "
                f"{len(matrices)}"
            )
        if any(matrix.row_scales is not None for matrix in matrices):
            raise UnsupportedFormatError("matrices of a chain must not have row scales")
        for first, second in pairwise(matrices):
            error = chain_error(first.layout, second.layout)
            if error:
                raise UnsupportedFormatError(f"{first} cannot be chained: {error}")
        self._device, self._matrices, self._links = device, list(matrices), list(links)
        self._counters: Counter[str] = Counter()

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the last call, summed over its products."""
        return dict(self._counters)

    def matmul(self, x: np.ndarray, *, act_bits: int | None = None) -> np.ndarray:
        """The last product, int32 or int64 ``[M, N]``.

        Parameters
        ----------
        x : ndarray of integers, shape ``[M, K]``
        act_bits : int, optional
            As of `Accelerator.matmul`; of all products.

        Raises
        ------
        DtypeError, ShapeError, RangeError, DeviceError, CycleLimitError
        """
        device, first, last = self._device, self._matrices[0].layout, self._matrices[-1].layout
        bits = device.check_usable(*self._matrices, act_bits=act_bits)
        check_activations(x, first, bits)
        row_blocks = -(-len(x) // device.config.rows)
        keys = self._keys(row_blocks, device.act_planes(bits))
        # Areas that grow move, and programs name them: the first round only makes room.
        self._programs(keys)
        programs = self._programs(keys)
        transport = device.transport
        transport.write_memory(device.programs.address(keys[0].source), pack_activations(x, first))
        self._counters.clear()
        for matrix, program in zip(self._matrices, programs, strict=True):
            device.run_stored(program, matrix.layout, row_blocks)
            self._counters.update(device.counters)
        image = transport.read_memory(
            device.programs.address(keys[-1].target), last.output_bytes(row_blocks)
        )
        return unpack_outputs(image, last, len(x))

    def _programs(self, keys: list[ProgramKey]) -> list[StoredProgram]:
        programs = self._device.programs
        pairs = zip(self._matrices, keys, strict=True)
        return [programs.program(matrix, key) for matrix, key in pairs]

    def _keys(self, row_blocks: int, act_planes: int) -> list[ProgramKey]:
        # Two areas are enough: one is read while the other is written.
        areas = ["activations"] + [f"between{i % 2}" for i in range(len(self._links))]
        keys = [
            ProgramKey(row_blocks, act_planes, source, target, (link.multiplier, link.shift))
            for source, target, link in zip(areas, areas[1:], self._links, strict=False)
        ]
        return [*keys, ProgramKey(row_blocks, act_planes, areas[-1])]
