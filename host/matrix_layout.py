"""How a weight matrix meets a configuration: padding, plane list, zero points, K segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hw.config import Config
from .errors import UnsupportedFormatError
from .quantized_matrix import QuantizedMatrix

__all__ = ["MatrixLayout", "zero_field"]


@dataclass(frozen=True, kw_only=True)
class MatrixLayout:
    """Everything that program and images of one weight matrix have in common.

    Attributes
    ----------
    config : Config
    n, k : int
        Outputs and inputs of the matrix.
    n_blocks, k_blocks : int
        The same in blocks of `Config.lanes` outputs and `Config.k_block` inputs.
    group_blocks : int
        K blocks of one quantisation group (all of them where the hardware needs no groups).
    group_width : int
        Inputs of one group; each group but the last is padded to whole K blocks.
    planes : tuple of (int, bool)
        Shift before, and sign of, each plane: what PLANES takes.
    halve, coefficient : bool, int
        As in PLANES; `coefficient` counts where `grouped` is false.
    grouped : bool
        Zero points or scales differ within the matrix and come as group parameters.
    segments : tuple of int
        First K block of every piece of K whose partial sums cannot overflow.
    result_dtype : type
        int32, or int64 where some product of this matrix could leave int32.
    """

    config: Config
    n: int
    k: int
    n_blocks: int
    k_blocks: int
    group_blocks: int
    group_width: int
    planes: tuple[tuple[int, bool], ...]
    halve: bool
    coefficient: int
    grouped: bool
    segments: tuple[int, ...]
    result_dtype: type[np.signedinteger]

    @classmethod
    def of(cls, weights: QuantizedMatrix, config: Config) -> MatrixLayout:
        """Layout of `weights` for `config`.

        Raises
        ------
        UnsupportedFormatError
            The configuration was not built for these planes, zero points or scales.
        """
        planes = _plane_list(weights, config)
        zeros, scales = weights.zero_points, weights.group_scales
        if isinstance(zeros, np.ndarray) and (zeros == zeros[0, 0]).all():
            zeros = int(zeros[0, 0])
        if scales is not None and (scales == 1).all():
            scales = None
        grouped = isinstance(zeros, np.ndarray) or scales is not None
        _check_parameters(weights, config, zeros, scales)
        coefficient = 0
        if not isinstance(zeros, np.ndarray):
            coefficient = weights.offset - ((zeros or 0) << weights.halve)
        width = weights.group_width if grouped else weights.shape[1]
        group_blocks = -(-width // config.k_block)
        whole, rest = divmod(weights.shape[1], width)
        k_blocks = whole * group_blocks + -(-rest // config.k_block)
        segments, largest = _segments(weights, config, width, k_blocks)
        return cls(
            config=config,
            n=weights.shape[0],
            k=weights.shape[1],
            n_blocks=-(-weights.shape[0] // config.lanes),
            k_blocks=k_blocks,
            group_blocks=group_blocks,
            group_width=width,
            planes=planes,
            halve=weights.halve,
            coefficient=coefficient,
            grouped=grouped,
            segments=segments,
            result_dtype=np.int32 if largest < 2**31 else np.int64,
        )

    @property
    def groups(self) -> int:
        """Quantisation groups that the hardware tells apart."""
        return -(-self.k // self.group_width)

    # -- pitches, in words: what one row of an image takes in memory ------------------------------

    @property
    def act_pitch(self) -> int:
        """Activation words from one row block to the next, whole beats."""
        share = self.config.words_per_row(self.config.act_word_bits)
        return -(-self.k_blocks // share) * share

    @property
    def group_pitch(self) -> int:
        """Group-parameter words from one group to the next, whole beats."""
        share = self.config.words_per_row(self.config.scale_word_bits)
        return -(-self.n_blocks // share) * share

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weight image."""
        words = self.k_blocks * self.n_blocks * len(self.planes)
        return words * self.config.memory_word_bits(self.config.weight_word_bits) // 8

    @property
    def group_bytes(self) -> int:
        """Bytes of the group-parameter image, 0 where there is none."""
        if not self.grouped:
            return 0
        bits = self.config.memory_word_bits(self.config.scale_word_bits)
        return self.groups * self.group_pitch * bits // 8

    def act_bytes(self, row_blocks: int) -> int:
        """Bytes of the activation image of `row_blocks` row blocks."""
        bits = self.config.memory_word_bits(self.config.act_word_bits)
        return row_blocks * self.act_pitch * bits // 8

    def output_bytes(self, row_blocks: int) -> int:
        """Bytes of the outputs ``[segment][row block][output block]``."""
        bits = self.config.memory_word_bits(self.config.psum_word_bits)
        return len(self.segments) * row_blocks * self.n_blocks * bits // 8


def _plane_list(weights: QuantizedMatrix, config: Config) -> tuple[tuple[int, bool], ...]:
    """Planes with exponents turned into shifts, checked against what was built."""
    shifts, before = [], weights.planes[0].exponent
    for plane in weights.planes:
        shifts.append(before - plane.exponent)
        before = plane.exponent
    largest = sum(1 << plane.exponent for plane in weights.planes)
    limit = (1 << config.max_weight_bits) - 1
    if largest > limit:
        raise UnsupportedFormatError(
            f"{weights.bits}-bit weights need planes up to {largest}, but configuration "
            f"{config.name!r} was built for {limit} (max_weight_bits = {config.max_weight_bits})"
        )
    if max(shifts) > config.max_shift:
        raise UnsupportedFormatError(
            f"planes are {max(shifts)} bits apart, but configuration {config.name!r} shifts by at "
            f"most {config.max_shift} (max_shift)"
        )
    if len(weights.planes) > config.weight_depth:
        raise UnsupportedFormatError(
            f"{len(weights.planes)} planes do not fit the {config.weight_depth} words of the "
            f"weight buffer (weight_depth)"
        )
    return tuple((s, p.negative) for s, p in zip(shifts, weights.planes, strict=True))


def _check_parameters(
    weights: QuantizedMatrix,
    config: Config,
    zeros: np.ndarray | int | None,
    scales: np.ndarray | None,
) -> None:
    """Zero points and scales against the widths of the hardware's fields."""
    if scales is not None and int(scales.max()) >= 1 << config.scale_bits:
        raise UnsupportedFormatError(
            f"group_scales must be below {1 << config.scale_bits} (scale_bits = "
            f"{config.scale_bits} of configuration {config.name!r}), not {int(scales.max())}"
        )
    if not isinstance(zeros, np.ndarray) and scales is None:
        coefficient = weights.offset - ((zeros or 0) << weights.halve)
        if abs(coefficient) > 1 << config.max_weight_bits:
            raise UnsupportedFormatError(f"zero point {zeros} is too far from the planes' middle")
        return
    field = zero_field(weights, np.zeros(1, np.int64) if zeros is None else np.asarray(zeros))
    limit = 1 << config.zero_bits - 1
    if int(field.min()) < -limit or int(field.max()) >= limit:
        raise UnsupportedFormatError(
            f"zero_points do not fit the {config.zero_bits} bits of configuration {config.name!r}"
        )


def zero_field(weights: QuantizedMatrix, zeros: np.ndarray) -> np.ndarray:
    """Signed zero field z of the group parameters: ``c = 2 z + 1`` if `halve`, else ``c = z``."""
    if not weights.halve:
        return weights.offset - zeros
    if weights.offset % 2 == 0:
        raise UnsupportedFormatError("halved planes with group parameters need an odd offset")
    return (weights.offset - 1) // 2 - zeros


def _segments(
    weights: QuantizedMatrix, config: Config, width: int, k_blocks: int
) -> tuple[tuple[int, ...], int]:
    """First K blocks of the segments, and the largest magnitude of a whole product.

    No product of these weights can exceed ``max_n sum_k |w[n, k]| * 2**(act_bits - 1)``, nor can
    any partial sum on the way, whose terms are some of those of that sum.
    """
    top = 1 << config.act_bits - 1
    limit = 1 << config.psum_bits - 1
    values = weights.code_values
    zeros = weights.zero_points
    low, high = (0, 0) if zeros is None else (int(np.min(zeros)), int(np.max(zeros)))
    widest = max(abs(int(values.min()) - high), abs(int(values.max()) - low))
    if weights.group_scales is not None:
        widest *= int(weights.group_scales.max())
    rough = widest * weights.shape[1] * top
    if rough < min(limit, 2**31):
        return (0,), rough

    # Exact: magnitudes per K block, in slabs of rows to stay small.
    n, k = weights.shape
    starts = np.concatenate(
        [np.arange(g, min(g + width, k), config.k_block) for g in range(0, k, width)]
    )
    blocks = np.zeros((k_blocks, n), np.int64)
    slab = max(1, (1 << 20) // k)
    for row in range(0, n, slab):
        rows = slice(row, min(row + slab, n))
        blocks[:, rows] = np.add.reduceat(np.abs(weights.integers(rows)), starts, axis=1).T
    blocks *= top
    segments, total = [0], np.zeros(n, np.int64)
    for block in range(k_blocks):
        total += blocks[block]
        if int(total.max()) >= limit:
            segments.append(block)
            total = blocks[block].copy()
    return tuple(segments), int(blocks.sum(0).max())
