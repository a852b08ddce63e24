"""Weight words that one LMMA takes, and whether those of a matrix or tile stay in the buffer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ..hw.program import INSTRUCTION_BYTES
from .matrix_layout import MatrixLayout

__all__ = ["WeightChunks", "weight_chunks"]

#: Weight slots: enough to hide the memory's latency, few enough to keep programs short.
_LEAST_SLOTS, _MOST_SLOTS = 8, 10


@dataclass(frozen=True)
class WeightChunks:
    """Attributes
    ----------
    words : int
        Words of a chunk at most, a multiple of the planes.
    slots : int
        Chunks that the weight buffer holds.
    resident : bool
        All chunks that go round have a slot of their own: each is loaded once.
    """

    words: int
    slots: int
    resident: bool


def weight_chunks(
    layout: MatrixLayout, blocks: int, length: int, *, round_of: int, again: bool
) -> WeightChunks:
    """Chunks of tiles of `blocks` output blocks.

    The first chunk is waited for (``C * beats`` cycles), and each costs a LOAD and an LMMA
    on the bus: the sum ``C * beats + words / C * 2 * instruction beats`` is least at the root.
    Where chunks come up again, a size is preferred with which all of them have a place.

    Parameters
    ----------
    layout : MatrixLayout
    blocks : int
        Output blocks of a tile.
    length : int
        K blocks of a range of activations, which no chunk goes beyond.
    round_of : int
        Output blocks whose weights go round before one comes up again.
    again : bool
        Whether any does.
    """
    c, planes = layout.config, layout.planes
    depth = c.weight_depth
    words = layout.n_blocks * layout.k_blocks * planes
    beats = c.beats_per_row(c.weight_word_bits)
    instruction = 2 * INSTRUCTION_BYTES * 8 / c.axi_bits
    best = int((words * instruction / beats) ** 0.5)
    least = min(3 * c.build_cycles, depth // (_LEAST_SLOTS // 2))
    chunk = max(planes, max(min(best, depth // _LEAST_SLOTS), least) // planes * planes)
    if again and round_of * layout.k_blocks * planes <= depth:
        row = blocks * planes
        sizes = [chunk, *(row * n for n in (1, 2, 4)), *(-(-blocks // n) * planes for n in (2, 4))]
        for size in sizes:
            count = _chunks(layout, blocks, length, size) * -(-round_of // blocks)
            if size <= depth // 3 and count * size <= depth:
                return WeightChunks(size, depth // size, True)
    return WeightChunks(chunk, min(_MOST_SLOTS, depth // chunk), False)


def _chunks(layout: MatrixLayout, blocks: int, length: int, size: int) -> int:
    """Chunks of a tile over all of K."""
    row = blocks * layout.planes
    if row > size:
        return -(-row // size) * layout.k_blocks
    several = size // row
    edges = {*range(0, layout.k_blocks, length), *layout.segments, layout.k_blocks}
    if layout.grouped:
        edges |= set(range(0, layout.k_blocks, layout.group_blocks))
    ends = sorted(edges)
    return sum(-(-(b - a) // several) for a, b in pairwise(ends))
