"""Ways to cut a product into tiles, and what each is likely to cost."""

from __future__ import annotations

from dataclasses import dataclass

from ..hw.isa import LAYOUTS, Opcode
from ..hw.program import INSTRUCTION_BYTES
from ..sim.cycles import MemoryTiming
from .matrix_layout import MatrixLayout
from .weight_chunks import WeightChunks, weight_chunks

__all__ = ["MOST_BLOCKS", "TileCut", "tile_cuts"]

_LMMA = LAYOUTS[Opcode.LMMA]
#: Row blocks and output blocks that one LMMA can name.
_MOST_ROWS = (1 << _LMMA["rows"].width) - 1
MOST_BLOCKS = (1 << _LMMA["n_blocks"].width) - 1

#: Ranges that K is cut into so that the first LMMA need not wait for all activations.
_ACT_RANGES = 4
#: Cycles between two tables beside building them.
_TABLE_OVERHEAD = 2
#: Of the shorter of computing and moving, what shows beside the longer.
_EXPOSED = 0.05
#: Costs that differ by less are the same: the estimate knows no better.
_ALIKE = 0.02


@dataclass(frozen=True)
class TileCut:
    """Extent of the tiles and the order of the loops around them.

    Attributes
    ----------
    rows, blocks : int
        Row blocks and output blocks of a tile.
    whole : bool
        One tile is the whole product: nothing is read twice, whatever the order.
    outputs_first : bool
        The outer loop goes over output tiles, so that their weights can stay in the buffer for
        all rows; otherwise over row tiles, whose activations can stay.
    """

    rows: int
    blocks: int
    whole: bool = False
    outputs_first: bool = False

    def act_range(self, layout: MatrixLayout) -> int:
        """K blocks that are loaded together: few ranges where all fit, else half the buffer."""
        c, rows = layout.config, self.rows
        depth, share = c.act_depth, c.words_per_row(c.act_word_bits)
        if rows * layout.act_pitch <= depth:
            for ranges in range(_ACT_RANGES, 0, -1):
                length = _round_up(-(-layout.k_blocks // ranges), share)
                if rows * length * -(-layout.act_pitch // length) <= depth:
                    return length
        return max(share, depth // 2 // rows // share * share)

    def weight_chunks(self, layout: MatrixLayout, row_blocks: int) -> WeightChunks:
        """Chunks of weights of these tiles."""
        return weight_chunks(
            layout,
            self.blocks,
            self.act_range(layout),
            round_of=self.blocks if self.outputs_first else layout.n_blocks,
            again=row_blocks > self.rows,
        )


def tile_cuts(
    layout: MatrixLayout, row_blocks: int, timing: MemoryTiming, act_planes: int = 1
) -> list[TileCut]:
    """Cuts that the buffers allow, the most promising first; at least one.

    Partial sums of one tile are stored while the next is computed, so a tile takes half of them;
    where a single tile takes everything, that is the only choice.

    Parameters
    ----------
    layout : MatrixLayout
    row_blocks : int
    timing : MemoryTiming
        The memory whose bandwidth weighs against the lookups.
    act_planes : int
        Activation bits of a bit-serial element.
    """
    c = layout.config
    act_share = c.words_per_row(c.act_word_bits)
    scale_share = c.words_per_row(c.scale_word_bits)
    most_rows = min(_MOST_ROWS, max(1, c.act_depth // 2 // act_share))
    most_blocks = min(MOST_BLOCKS, layout.n_blocks)
    if layout.grouped:
        slots = 2 if layout.groups > 1 and 2 * scale_share <= c.scale_depth else 1
        most_blocks = min(most_blocks, c.scale_depth // slots // scale_share * scale_share)
    resident = row_blocks * layout.act_pitch <= c.act_depth and row_blocks <= _MOST_ROWS
    single = len(layout.segments) == 1 and (resident or row_blocks <= most_rows)
    if single and layout.n_blocks <= most_blocks and row_blocks * layout.n_blocks <= c.psum_depth:
        return [TileCut(row_blocks, layout.n_blocks, whole=True)]

    half = c.psum_depth // 2
    extents: set[tuple[int, int]] = set()
    for row_tiles in range(1, row_blocks + 1):
        rows = -(-row_blocks // row_tiles)
        if rows > min(most_rows, half):
            continue
        widest = min(half // rows, most_blocks)
        extents.add((rows, _even_blocks(layout, widest, scale_share)))
        if row_tiles > 1:
            # Not as few output tiles as possible, but as wide ones as leave their weights there.
            weights = c.weight_depth // (layout.k_blocks * layout.planes)
            for blocks in (weights, weights // 2):
                blocks = max(1, min(widest, blocks))
                extents.add((rows, _even_blocks(layout, blocks, scale_share)))
        if rows == 1:
            break
    cuts = [
        TileCut(rows, blocks, outputs_first=outputs_first)
        for rows, blocks in extents
        # Without two loops there is no order.
        for outputs_first in ((False, True) if rows < row_blocks and blocks < layout.n_blocks
                              else (False,))
    ]  # fmt: skip
    costs = {cut: _cost(layout, row_blocks, cut, timing, act_planes) for cut in cuts}
    least = min(costs.values())

    def order(cut: TileCut) -> tuple[int, bool, float]:
        # Where they cost alike, programs with the rows outermost are shorter.
        return int((costs[cut] / least - 1) / _ALIKE), cut.outputs_first, costs[cut]

    return sorted(cuts, key=order)


def _even_blocks(layout: MatrixLayout, blocks: int, scale_share: int) -> int:
    """At most `blocks`, such that the output tiles are as equal as they can be."""
    tiles = -(-layout.n_blocks // blocks)
    even = -(-layout.n_blocks // tiles)
    if layout.grouped and tiles > 1:
        # No tile may straddle a beat that it does not begin: their scales come in beats.
        share = min(scale_share, 1 << blocks.bit_length() - 1)
        even = min(_round_up(even, share), blocks // share * share)
    return even


def _cost(
    layout: MatrixLayout, row_blocks: int, cut: TileCut, timing: MemoryTiming, act_planes: int
) -> float:
    """Cycles, roughly: the longer of lookups and traffic, and a little of the shorter."""
    c, planes = layout.config, layout.planes
    row_tiles = -(-row_blocks // cut.rows)
    n_tiles = -(-layout.n_blocks // cut.blocks)
    tiles = row_tiles * n_tiles * len(layout.segments)
    # Tables take their time to build; a narrow tile does not hide it, nor does a single bank.
    lookups, build = cut.blocks * planes * act_planes, c.build_cycles + _TABLE_OVERHEAD
    period = lookups + build if c.table_banks == 1 else max(lookups, build)
    cycles = row_blocks * n_tiles * layout.k_blocks * period

    row_words = cut.rows * layout.act_pitch
    again = 1 if cut.weight_chunks(layout, row_blocks).resident else row_tiles
    acts = 1
    if cut.outputs_first:
        acts = 1 if row_blocks * layout.act_pitch <= c.act_depth else n_tiles
    elif row_words > c.act_depth:
        acts = n_tiles
    reads = again * layout.n_blocks * layout.k_blocks * planes
    reads *= c.memory_word_bits(c.weight_word_bits) // 8
    reads += acts * layout.act_bytes(row_blocks) + row_tiles * layout.group_bytes
    length = cut.act_range(layout)
    ranges = -(-layout.act_pitch // length)
    pieces = 1 if length == layout.act_pitch else cut.rows
    loads = acts * row_tiles * ranges * pieces
    reads += (loads + tiles * (2 * ranges + cut.rows)) * INSTRUCTION_BYTES
    writes = layout.output_bytes(row_blocks)
    beat = c.axi_bits // 8
    moving = (
        (reads + writes) / min(timing.bytes_per_cycle, 2 * beat)
        if timing.bytes_per_cycle
        else max(reads, writes) / beat
    )
    return max(cycles, moving) + _EXPOSED * min(cycles, moving)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
