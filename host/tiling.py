"""How a product is cut: tiles of partial sums, chunks of weights, ranges of activations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..hw.config import Config
from ..hw.isa import LAYOUTS, Opcode
from ..hw.program import INSTRUCTION_BYTES
from .matrix_layout import MatrixLayout
from .zero_blocks import UsedBlocks

__all__ = ["Chunk", "Tile", "Tiling"]

_LMMA = LAYOUTS[Opcode.LMMA]
_MOST_ROWS = (1 << _LMMA["rows"].width) - 1
_MOST_BLOCKS = (1 << _LMMA["n_blocks"].width) - 1

#: Ranges that K is cut into so that the first LMMA need not wait for all activations.
_ACT_RANGES = 4
#: Pieces of the last K block of the last tile, so that its STORE overlaps its lookups.
_DRAIN_PIECES = 4
#: Cycles between two tables beside building them.
_TABLE_OVERHEAD = 2
#: Weight slots: enough to hide the memory's latency, few enough to keep programs short.
_LEAST_SLOTS, _MOST_SLOTS = 8, 10


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
    psum_slots: int
    act_range: int
    act_slots: int
    chunk_words: int
    weight_slots: int
    scale_words: int
    scale_slots: int
    used: UsedBlocks

    @classmethod
    def of(cls, layout: MatrixLayout, row_blocks: int, used: UsedBlocks | None = None) -> Tiling:
        """The cut of a product of `row_blocks` row blocks, of which only `used` is run.

        Tiles are as large as the partial sums allow: all of them where everything fits, half
        of them otherwise, so that STORE of one tile overlaps the lookups of the next. Among those
        the tile is taken that costs the fewest lookups and beats: each weight is read once per row
        tile, each activation once per output tile unless the buffer holds a whole row tile.
        """
        c = layout.config
        act_share = c.words_per_row(c.act_word_bits)
        scale_share = c.words_per_row(c.scale_word_bits)
        rows, blocks, whole = _tile(layout, row_blocks, act_share, scale_share)

        act_range = _act_range(layout, rows, act_share)

        planes = layout.planes
        words = layout.n_blocks * layout.k_blocks * planes
        beats = c.beats_per_row(c.weight_word_bits)
        chunk = _chunk_words(c, planes, words, beats)

        scale_words = _round_up(blocks, scale_share)
        return cls(
            layout=layout,
            row_blocks=row_blocks,
            tile_rows=rows,
            tile_blocks=blocks,
            psum_slots=1 if whole else 2,
            act_range=act_range,
            act_slots=c.act_depth // (rows * act_range),
            chunk_words=chunk,
            weight_slots=min(_MOST_SLOTS, c.weight_depth // chunk),
            scale_words=scale_words,
            scale_slots=c.scale_depth // scale_words if layout.grouped else 0,
            used=used or UsedBlocks(),
        )

    def tiles(self) -> Iterator[Tile]:
        """Tiles in order: row tile, output tile, segment."""
        layout, number = self.layout, 0
        ends = [*layout.segments[1:], layout.k_blocks]
        for row in range(0, self.row_blocks, self.tile_rows):
            rows = min(self.tile_rows, self.row_blocks - row)
            for n in range(0, layout.n_blocks, self.tile_blocks):
                blocks = min(self.tile_blocks, layout.n_blocks - n)
                for segment, (k, k_end) in enumerate(zip(layout.segments, ends, strict=True)):
                    yield Tile(number, row, rows, n, blocks, segment, k, k_end)
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
            several = min(max(1, self.chunk_words // words), _MOST_BLOCKS)
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


def _act_range(layout: MatrixLayout, rows: int, share: int) -> int:
    """K blocks of a range: few ranges where all of them fit, else half the buffer each."""
    depth = layout.config.act_depth
    if rows * layout.act_pitch <= depth:
        for ranges in range(_ACT_RANGES, 0, -1):
            length = _round_up(-(-layout.k_blocks // ranges), share)
            if rows * length * -(-layout.act_pitch // length) <= depth:
                return length
    return max(share, depth // 2 // rows // share * share)


def _tile(
    layout: MatrixLayout, row_blocks: int, act_share: int, scale_share: int
) -> tuple[int, int, bool]:
    """Row blocks and output blocks of a tile, and whether it is the only one."""
    c, planes = layout.config, layout.planes
    most_rows = min(_MOST_ROWS, max(1, c.act_depth // 2 // act_share))
    most_blocks = min(_MOST_BLOCKS, layout.n_blocks)
    if layout.grouped:
        slots = 2 if layout.groups > 1 and 2 * scale_share <= c.scale_depth else 1
        most_blocks = min(most_blocks, c.scale_depth // slots // scale_share * scale_share)
    resident = row_blocks * layout.act_pitch <= c.act_depth and row_blocks <= _MOST_ROWS
    single = len(layout.segments) == 1 and (resident or row_blocks <= most_rows)
    if single and layout.n_blocks <= most_blocks and row_blocks * layout.n_blocks <= c.psum_depth:
        return row_blocks, layout.n_blocks, True

    half = c.psum_depth // 2
    weight_beats = layout.n_blocks * planes * c.beats_per_row(c.weight_word_bits)
    act_beats = row_blocks * c.memory_word_bits(c.act_word_bits) / c.axi_bits
    best, choice = math.inf, (1, 1)
    for row_tiles in range(1, row_blocks + 1):
        rows = -(-row_blocks // row_tiles)
        if rows > min(most_rows, half):
            continue
        blocks = min(half // rows, most_blocks)
        n_tiles = -(-layout.n_blocks // blocks)
        if layout.grouped and n_tiles > 1:
            # No tile may straddle a beat that it does not begin: their scales come in beats.
            share = min(scale_share, 1 << blocks.bit_length() - 1)
            blocks = blocks // share * share
            n_tiles = -(-layout.n_blocks // blocks)
        else:
            blocks = -(-layout.n_blocks // n_tiles)
        resident = rows * layout.act_pitch <= c.act_depth
        # Per K block. Tables take their time to build; a narrow tile does not hide it.
        traffic = -(-row_blocks // rows) * weight_beats
        traffic += act_beats * (1 if resident else n_tiles)
        cycles = row_blocks * n_tiles * max(blocks * planes, c.build_cycles + _TABLE_OVERHEAD)
        cost = max(cycles, traffic) + traffic / 2
        if cost < best:
            best, choice = cost, (rows, blocks)
        if rows == 1:
            break
    return choice[0], choice[1], False


def _chunk_words(config: Config, planes: int, words: int, beats: int) -> int:
    """Words of a chunk: a multiple of the planes.

    The first chunk is waited for (``C * beats`` cycles), and each costs a LOAD and an LMMA
    on the bus: the sum ``C * beats + words / C * 2 * instruction beats`` is least at the root.
    """
    instruction = 2 * INSTRUCTION_BYTES * 8 / config.axi_bits
    best = int((words * instruction / beats) ** 0.5)
    least = min(3 * config.build_cycles, config.weight_depth // (_LEAST_SLOTS // 2))
    chunk = max(min(best, config.weight_depth // _LEAST_SLOTS), least)
    return max(planes, chunk // planes * planes)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
