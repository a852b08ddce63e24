"""The program of a product: cut and loop order chosen by the cycle model, then scheduled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ..hw.config import Config
from ..sim.cycles import MemoryTiming, predict
from .matrix_layout import MatrixLayout
from .scheduler import Addresses, Scheduler
from .tile_cut import TileCut, tile_cuts
from .tiling import Tiling
from .zero_blocks import UsedBlocks

__all__ = ["Addresses", "build_program"]

#: Cuts that the cycle model is asked about, of those that a rough estimate puts first.
_CANDIDATES = 3
#: Instructions of a program at most for which it is asked: longer products are as long as their
#: lookups or their traffic, which the estimate knows.
_MOST_INSTRUCTIONS = 1000

_NOWHERE = Addresses(weights=0, groups=0, activations=0, outputs=0)


def build_program(
    layout: MatrixLayout,
    row_blocks: int,
    addresses: Addresses,
    *,
    act_planes: int = 1,
    used: UsedBlocks | None = None,
    timing: MemoryTiming | None = None,
    requantise: tuple[int, int] | None = None,
) -> np.ndarray:
    """Program of `row_blocks` row blocks of activations times the weights of `layout`.

    Parameters
    ----------
    layout : MatrixLayout
    row_blocks : int
    addresses : Addresses
    act_planes : int
        Activation bits that a bit-serial element processes; 1 otherwise.
    used : UsedBlocks, optional
        K blocks that are not all zero; by default all are run.
    timing : MemoryTiming, optional
        The memory that cut and loop order are chosen for; any program runs with any memory.
    requantise : tuple of int, optional
        Multiplier and shift of STORE: outputs become activations of another product.

    Returns
    -------
    ndarray of uint64, shape ``[instructions, 2]``
    """
    cut = _choose(_Question.of(layout, row_blocks, act_planes, timing or MemoryTiming()))
    tiling = Tiling.of(layout, row_blocks, used, cut=cut)
    return Scheduler(tiling, addresses, requantise).program(act_planes)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What the choice depends on; matrices that are alike in it share one answer."""

    config: Config
    blocks: tuple[int, int, int]
    planes: int
    segments: tuple[int, ...]
    groups: int
    group_blocks: int
    row_blocks: int
    act_planes: int
    timing: MemoryTiming
    layout: MatrixLayout = field(compare=False)

    @classmethod
    def of(
        cls, layout: MatrixLayout, row_blocks: int, act_planes: int, timing: MemoryTiming
    ) -> _Question:
        return cls(
            config=layout.config,
            blocks=(layout.n_blocks, layout.k_blocks, layout.n_pitch),
            planes=layout.planes,
            segments=layout.segments,
            groups=layout.groups if layout.grouped else 0,
            group_blocks=layout.group_blocks,
            row_blocks=row_blocks,
            act_planes=act_planes,
            timing=timing,
            layout=layout,
        )


@lru_cache(maxsize=1024)
def _choose(question: _Question) -> TileCut:
    """The cut that takes the fewest cycles."""
    q = question
    cuts = tile_cuts(q.layout, q.row_blocks, q.timing, q.act_planes)
    best, choice = None, cuts[0]
    if len(cuts) == 1:
        return choice
    kinds = {(cut.blocks, cut.outputs_first): cut for cut in reversed(cuts)}
    kinds = sorted(kinds.values(), key=cuts.index)
    for cut in kinds[:_CANDIDATES]:
        program = Scheduler(Tiling.of(q.layout, q.row_blocks, cut=cut), _NOWHERE).program(
            q.act_planes
        )
        if len(program) > _MOST_INSTRUCTIONS:
            if cut is choice:
                return choice  # the others are unlikely to be much shorter
            continue
        cycles = predict(q.config, program, q.timing)["cycles"]
        if best is None or cycles < best:
            best, choice = cycles, cut
    return choice
