"""How a weight matrix meets a configuration: padding, plane list, zero points, K segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hw.config import Config
from .errors import ShapeError, UnsupportedFormatError
from .lowering import Lowering, lower
from .quantized_matrix import QuantizedMatrix

__all__ = ["MatrixLayout"]


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
    n_pitch : int
        Output blocks from one K block of the weight image to the next; more than `n_blocks`
        where outputs are still to come.
    group_blocks : int
        K blocks of one quantisation group (all of them where the hardware needs no groups).
    group_width : int
        Inputs of one group; each group but the last is padded to whole K blocks.
    lowering : Lowering
        The planes of digits that the codes become.
    coefficient : int
        As in PLANES; it counts where `grouped` is false.
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
    n_pitch: int
    group_blocks: int
    group_width: int
    lowering: Lowering
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
        lowering = lower(weights, config)
        _check_planes(lowering, weights, config)
        zeros, scales = weights.zero_points, weights.group_scales
        if isinstance(zeros, np.ndarray) and (zeros == zeros[0, 0]).all():
            zeros = int(zeros[0, 0])
        if scales is not None and (scales == 1).all():
            scales = None
        grouped = isinstance(zeros, np.ndarray) or scales is not None
        coefficient = _check_parameters(lowering, config, zeros, scales)
        width = weights.group_width if grouped else weights.shape[1]
        group_blocks = -(-width // config.k_block)
        whole, rest = divmod(weights.shape[1], width)
        k_blocks = whole * group_blocks + -(-rest // config.k_block)
        segments, largest = _segments(weights, lowering, config, width, k_blocks)
        return cls(
            config=config,
            n=weights.shape[0],
            k=weights.shape[1],
            n_blocks=-(-weights.shape[0] // config.lanes),
            k_blocks=k_blocks,
            n_pitch=-(-weights.shape[0] // config.lanes),
            group_blocks=group_blocks,
            group_width=width,
            lowering=lowering,
            coefficient=coefficient,
            grouped=grouped,
            segments=segments,
            result_dtype=np.int32 if largest < 2**31 else np.int64,
        )

    @property
    def planes(self) -> int:
        """Planes of digits: weight words of each K block and output block."""
        return len(self.lowering.exponents)

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
        words = self.k_blocks * self.n_pitch * self.planes
        return words * self.config.memory_word_bits(self.config.weight_word_bits) // 8

    @property
    def group_bytes(self) -> int:
        """Bytes of the group-parameter image, 0 where there is none."""
        if not self.grouped:
            return 0
        bits = self.config.memory_word_bits(self.config.scale_word_bits)
        return self.groups * self.group_pitch * bits // 8

    def check_begins(self, other: MatrixLayout) -> None:
        """Raise `ShapeError` unless a weight image like this is the beginning of one of `other`."""
        mine, its = (
            (x.config, x.n, x.n_pitch, x.group_blocks, x.group_width, x.planes)
            for x in (self, other)
        )
        if mine != its or self.k_blocks > other.k_blocks:
            raise ShapeError(
                f"image must begin with weights of {self.k_blocks} K blocks of {self.n} outputs in "
                f"groups of {self.group_width}, not hold {other.k_blocks} of {other.n} in groups "
                f"of {other.group_width}"
            )

    def act_bytes(self, row_blocks: int) -> int:
        """Bytes of the activation image of `row_blocks` row blocks."""
        bits = self.config.memory_word_bits(self.config.act_word_bits)
        return row_blocks * self.act_pitch * bits // 8

    def output_bytes(self, row_blocks: int) -> int:
        """Bytes of the outputs ``[segment][row block][output block]``."""
        bits = self.config.memory_word_bits(self.config.psum_word_bits)
        return len(self.segments) * row_blocks * self.n_blocks * bits // 8


def _check_planes(lowering: Lowering, weights: QuantizedMatrix, config: Config) -> None:
    """The planes against what was built."""
    if lowering.magnitude > config.max_magnitude:
        raise UnsupportedFormatError(
            f"{weights.bits}-bit weights need planes that add up to {lowering.magnitude}, but "
            f"configuration {config.name!r} was built for {config.max_magnitude} "
            f"(max_weight_bits = {config.max_weight_bits})"
        )
    furthest = max(lowering.shifts)
    if furthest > config.max_shift:
        raise UnsupportedFormatError(
            f"planes are {furthest} bits apart, but configuration {config.name!r} shifts by at "
            f"most {config.max_shift} (max_shift)"
        )
    if len(lowering.exponents) > config.weight_depth:
        raise UnsupportedFormatError(
            f"{len(lowering.exponents)} planes do not fit the {config.weight_depth} words of the "
            f"weight buffer (weight_depth)"
        )


def _check_parameters(
    lowering: Lowering,
    config: Config,
    zeros: np.ndarray | int | None,
    scales: np.ndarray | None,
) -> int:
    """Zero points and scales against the hardware's fields; the coefficient without groups."""
    if scales is not None and int(scales.max()) >= 1 << config.scale_bits:
        raise UnsupportedFormatError(
            f"group_scales must be below {1 << config.scale_bits} (scale_bits = "
            f"{config.scale_bits} of configuration {config.name!r}), not {int(scales.max())}"
        )
    if not isinstance(zeros, np.ndarray) and scales is None:
        coefficient = lowering.coefficient(zeros or 0)
        if abs(coefficient) > 1 << config.max_weight_bits:
            raise UnsupportedFormatError(f"zero point {zeros} is too far from the planes' middle")
        return coefficient
    field = lowering.zero_field(np.zeros(1, np.int64) if zeros is None else np.asarray(zeros))
    limit = 1 << config.zero_bits >> 1
    if int(field.min()) < -limit or int(field.max()) >= limit:
        raise UnsupportedFormatError(
            f"zero_points do not fit the {config.zero_bits} bits of configuration {config.name!r}"
        )
    return 0


def _segments(
    weights: QuantizedMatrix, lowering: Lowering, config: Config, width: int, k_blocks: int
) -> tuple[tuple[int, ...], int]:
    """First K blocks of the segments, and the largest magnitude of a whole product.

    No product of these weights can exceed ``max_n sum_k |w[n, k]| * max |x|``, nor can any
    partial sum on the way, whose terms are some of those of that sum.
    """
    top = 1 << config.act_bits - 1 + config.max_exponent
    limit = 1 << config.psum_bits - 1
    values = weights.code_values
    zeros = weights.zero_points
    low, high = (0, 0) if zeros is None else (int(np.min(zeros)), int(np.max(zeros)))
    widest = max(abs(int(values.min()) - high), abs(int(values.max()) - low))
    # Entries of quantised tables are off by less than their last bit, in every plane.
    error = 0
    if config.table_bits:
        error = (lowering.magnitude * config.tables) << config.max_table_shift
    if weights.group_scales is not None:
        widest *= int(weights.group_scales.max())
        error *= int(weights.group_scales.max())
    rough = widest * weights.shape[1] * top + k_blocks * error
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
    blocks = blocks * top + error
    segments, total = [0], np.zeros(n, np.int64)
    for block in range(k_blocks):
        total += blocks[block]
        if int(total.max()) >= limit:
            segments.append(block)
            total = blocks[block].copy()
    return tuple(segments), int(blocks.sum(0).max())
