"""How a product is cut: tiles of partial sums, chunks of weights, ranges of activations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..sim.cycles import MemoryTiming
from .matrix_layout import MatrixLayout
from .tile_cut import MOST_BLOCKS, TileCut, tile_cuts
from .zero_blocks import UsedBlocks

__all__ = ["Chunk", "Tile", "Tiling"]

#: Pieces of the last K block of the last tile, so that its STORE overlaps its lookups.
_DRAIN_PIECES = 4


class Tile(NamedTuple):
    """Partial sums that are in work together: row blocks by output blocks, over one segment."""

    number: int
    row: int
    rows: int
    n: int
    n_blocks: int
    segment: int
    k: int
    k_end: int


class Chunk(NamedTuple):
    """What one LMMA does: `k_blocks` by `n_blocks` weight words for all rows of a tile.

    `clear` marks the tile's first K block, `final` its last: what `final` chunks leave behind is
    complete and can be stored.
    """

    tile: Tile
    k: int
    k_blocks: int
    n: int
    n_blocks: int
    clear: bool
    final: bool


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Sizes of everything that a schedule repeats.

    Attributes
    ----------
    row_blocks : int
        Row blocks of the product, ``ceil(M / rows)``.
    tile_rows, tile_blocks : int
        Largest extent of a tile in row blocks and output blocks.
    outputs_first : bool
        Order of the tiles, see `TileCut`.
    psum_slots : int
        2 where one tile is stored while the next is computed, else 1.
    act_range, act_slots : int
        K blocks that are loaded together for all rows of a tile, and how many such ranges the
        activation buffer holds.
    chunk_words, weight_slots : int
        Weight words of a chunk at most, and chunks that the weight buffer holds.
    scale_words, scale_slots : int
        Words of one group and tile, and how many of these the buffer holds.
    used : UsedBlocks
        K blocks that are not all zero; the others are left out, tile by tile.
    """

    layout: MatrixLayout
    row_blocks: int
    tile_rows: int
    tile_blocks: int
    outputs_first: bool
    psum_slots: int
    act_range: int
    act_slots: int
    chunk_words: int
    weight_slots: int
    scale_words: int
    scale_slots: int
    used: UsedBlocks

    @classmethod
    def of(
        cls,
        layout: MatrixLayout,
        row_blocks: int,
        used: UsedBlocks | None = None,
        *,
        cut: TileCut | None = None,
    ) -> Tiling:
        """The cut of a product of `row_blocks` row blocks, of which only `used` is run.

        Tiles are as large as the partial sums allow: all of them where everything fits, half
        of them otherwise, so that STORE of one tile overlaps the lookups of the next. Without
        `cut` the most promising of `tile_cuts` is taken.
        """
        c = layout.config
        if cut is None:
            cut = tile_cuts(layout, row_blocks, MemoryTiming())[0]
        rows, blocks = cut.rows, cut.blocks
        length = cut.act_range(layout)
        chunks = cut.weight_chunks(layout, row_blocks)
        scale_words = _round_up(blocks, c.words_per_row(c.scale_word_bits))
        return cls(
            layout=layout,
            row_blocks=row_blocks,
            tile_rows=rows,
            tile_blocks=blocks,
            outputs_first=cut.outputs_first,
            psum_slots=1 if cut.whole else 2,
            act_range=length,
            act_slots=c.act_depth // (rows * length),
            chunk_words=chunks.words,
            weight_slots=chunks.slots,
            scale_words=scale_words,
            scale_slots=c.scale_depth // scale_words if layout.grouped else 0,
            used=used or UsedBlocks(),
        )

    def tiles(self) -> Iterator[Tile]:
        """Tiles in order: row tile, output tile (or the other way round), segment."""
        layout, number = self.layout, 0
        ends = [*layout.segments[1:], layout.k_blocks]
        rows = range(0, self.row_blocks, self.tile_rows)
        outputs = range(0, layout.n_blocks, self.tile_blocks)
        corners = itertools.product(rows, outputs)
        if self.outputs_first:
            corners = ((row, n) for n, row in itertools.product(outputs, rows))
        for row, n in corners:
            height = min(self.tile_rows, self.row_blocks - row)
            blocks = min(self.tile_blocks, layout.n_blocks - n)
            for segment, (k, k_end) in enumerate(zip(layout.segments, ends, strict=True)):
                yield Tile(number, row, height, n, blocks, segment, k, k_end)
                number += 1

    def chunks(self) -> Iterator[Chunk]:
        """Chunks in order: tile, K block, output block.

        A chunk covers several K blocks where few words belong to one, and part of one where
        many do. It stays within one range of activations and one quantisation group.
        """
        layout = self.layout
        planes = layout.planes
        tiles = list(self.tiles())
        for tile in tiles:
            words = tile.n_blocks * planes
            several = min(max(1, self.chunk_words // words), MOST_BLOCKS)
            parts = -(-words // self.chunk_words)
            last_parts = parts
            if tile is tiles[-1]:
                last_parts = max(parts, self._drain_parts(tile))
            rows = slice(tile.row, tile.row + tile.rows)
            outputs = slice(tile.n, tile.n + tile.n_blocks)
            runs = self.used.runs(rows, outputs, tile.k, tile.k_end)
            first, last = runs[0][0], runs[-1][1]
            for k, stop in runs:
                while k < stop:
                    end = min(stop, k + several, (k // self.act_range + 1) * self.act_range)
                    if layout.grouped:
                        end = min(end, (k // layout.group_blocks + 1) * layout.group_blocks)
                    if end == last and last_parts > 1 and end > k + 1:
                        end -= 1
                    final = end == last
                    step = -(-tile.n_blocks // (last_parts if final else parts))
                    for n in range(0, tile.n_blocks, step):
                        blocks = min(step, tile.n_blocks - n)
                        yield Chunk(tile, k, end - k, tile.n + n, blocks, k == first, final)
                    k = end

    def _drain_parts(self, tile: Tile) -> int:
        """Pieces of the last K block, each long enough to build the next one's tables."""
        layout = self.layout
        if tile.rows * tile.n_blocks < 32:
            return 1
        words = tile.n_blocks * layout.planes
        return max(1, min(_DRAIN_PIECES, words // (2 * layout.config.build_cycles)))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
