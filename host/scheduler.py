"""The instructions of a cut product: LOADs running ahead of LMMAs, STOREs following behind."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..hw.isa import LAYOUTS, Buffer, Opcode
from .program_builder import ProgramBuilder
from .tiling import Chunk, Tile, Tiling

__all__ = ["Addresses", "Scheduler"]

#: LMMAs that go out between the one that frees a slot and the LOAD that refills it. A LOAD that
#: waits holds up all that stands behind it, so COMPUTE needs work in its queue until it goes on.
_LOAD_DELAY = 2
#: LMMAs whose LOADs go out before them: enough to hide the memory's latency. More of them would
#: keep the first LMMA waiting where the buffer has room for everything.
_LOAD_AHEAD = 10
#: LMMAs that go out before the STOREs of earlier ones: as many as the queue of COMPUTE holds, so
#: that a STORE waiting at the head of the program does not starve it.
_STORE_DELAY = 4
#: STOREs of a tile wait for so many tokens at most: two tiles of them stay below a counter's 255.
_STORE_GROUPS = 16
_MOST_STORE_WORDS = (1 << LAYOUTS[Opcode.STORE]["words"].width) - 1


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the images of a product lie in memory, in bytes, all multiples of the bus beat."""

    weights: int
    groups: int
    activations: int
    outputs: int


class _Load(NamedTuple):
    buffer: Buffer
    row: int
    rows: int
    address: int
    after_lmma: int


class _Plan(NamedTuple):
    """What a chunk needs: its LOADs, the LMMA they overwrite the traces of, its slots."""

    loads: list[_Load]
    act: int
    scale: int
    weight: int

    @property
    def after(self) -> int:
        return max((load.after_lmma for load in self.loads), default=-1)


class _Ring:
    """One buffer as a ring of slots: what each holds, and which LMMA used it last."""

    def __init__(self, slots: int) -> None:
        self._held: list[object] = [None] * slots
        self._last_use = [-1] * slots
        self._where: dict[object, int] = {}
        self._next = 0

    def use(self, key: object, user: int) -> tuple[int, int | None]:
        """Slot of `key`, and the LMMA after which it may be loaded there (None: it is there)."""
        slot, after = self._where.get(key), None
        if slot is None:
            slot = self._next
            self._next = (slot + 1) % len(self._held)
            self._where.pop(self._held[slot], None)
            self._held[slot], self._where[key] = key, slot
            after = self._last_use[slot]
        self._last_use[slot] = user
        return slot, after


class Scheduler:
    """Puts one program together; every chunk is one LMMA, numbered alike.

    Chunks of weights go round the weight buffer, ranges of activations and groups of parameters
    round theirs. A LOAD that refills a slot waits for the last LMMA that used it, and stands
    shortly behind that LMMA in the program: so LOAD runs ahead of COMPUTE by nearly as much as the
    buffers hold, and neither is blocked by the in-order dispatch. What a slot still holds is not
    loaded again. STOREs follow their LMMAs at a small distance.

    Parameters
    ----------
    tiling : Tiling
    addresses : Addresses
    requantise : tuple of int, optional
        Multiplier and shift with which outputs become activations; rows of a tile are then stored
        whole, for parts of them begin within a beat.
    """

    def __init__(
        self,
        tiling: Tiling,
        addresses: Addresses,
        requantise: tuple[int, int] | None = None,
    ) -> None:
        self._tiling, self._layout, self._addresses = tiling, tiling.layout, addresses
        self._builder = ProgramBuilder(requantise)
        c = tiling.layout.config
        self._act_share = c.words_per_row(c.act_word_bits)
        self._scale_share = c.words_per_row(c.scale_word_bits)
        self._act_bytes = c.memory_word_bits(c.act_word_bits) // 8
        self._scale_bytes = c.memory_word_bits(c.scale_word_bits) // 8
        self._weight_bytes = c.memory_word_bits(c.weight_word_bits) // 8
        stored = c.psum_word_bits if requantise is None else c.requant_word_bits
        self._out_bytes = c.memory_word_bits(stored) // 8
        self._store_groups = _STORE_GROUPS if requantise is None else 1
        self._psum_slot = c.psum_depth // tiling.psum_slots
        self._planes = tiling.layout.planes
        self._acts = _Ring(tiling.act_slots)
        self._scales = _Ring(tiling.scale_slots)
        self._weights = _Ring(tiling.weight_slots)
        self._stores: deque[tuple[int, Tile, tuple[int, int, int]]] = deque()
        self._stored_by: dict[int, int] = {}  # tile: its last STORE
        self._stored_blocks = 0  # of the tile in work, STORE added

    def program(self, act_planes: int) -> np.ndarray:
        """The program, uint64 ``[instructions, 2]``; can be called once."""
        layout = self._layout
        lowering = layout.lowering
        self._builder.planes(
            tuple(zip(lowering.shifts, lowering.negatives, strict=True)),
            halve=lowering.halve,
            coefficient=layout.coefficient,
            act_planes=act_planes,
        )
        chunks = list(self._tiling.chunks())
        planned: deque[_Plan] = deque()  # one more than `loaded` where its LOADs have to wait
        loaded: deque[int] = deque()
        issued = 0
        ends = {chunk.tile.number: i for i, chunk in enumerate(chunks)}
        for i, chunk in enumerate(chunks):
            while issued < min(len(chunks), i + _LOAD_AHEAD):
                if len(planned) == len(loaded):
                    planned.append(self._plan(issued, chunks[issued]))
                if planned[-1].after >= i - _LOAD_DELAY and issued > i:
                    break
                loaded.append(self._issue(planned[-1]))
                issued += 1
            self._multiply(chunk, planned.popleft(), loaded.popleft())
            self._queue_stores(i, chunk)
            if self._stores:
                # Spread until the partial sums are wanted again: STOREs at the head of the program
                # hold up the LMMAs behind them.
                due = self._stores[0][1].number + self._tiling.psum_slots - 1
                left = max(1, ends.get(due, len(chunks)) - i)
                self._issue_stores(i - _STORE_DELAY, at_most=-(-len(self._stores) // left))
        self._issue_stores(len(chunks), at_most=len(self._stores))
        return self._builder.encode()

    # -- LOAD ------------------------------------------------------------------------------------

    def _plan(self, number: int, chunk: Chunk) -> _Plan:
        loads: list[_Load] = []
        tile, length = chunk.tile, self._tiling.act_range
        act, after = self._acts.use((tile.row, chunk.k // length), number)
        if after is not None:
            self._plan_acts(loads, after, act, tile, chunk.k // length)
        scale = 0
        if self._layout.grouped:
            group = chunk.k // self._layout.group_blocks
            scale, after = self._scales.use((tile.n, group), number)
            if after is not None:
                self._plan_scales(loads, after, scale, tile, group)
        key = (chunk.k, chunk.k_blocks, chunk.n, chunk.n_blocks)
        weight, after = self._weights.use(key, number)
        if after is not None:
            self._plan_weights(loads, after, weight, chunk)
        return _Plan(loads, act, scale, weight)

    def _plan_acts(
        self, loads: list[_Load], after: int, slot: int, tile: Tile, act_range: int
    ) -> None:
        length, pitch, share = self._tiling.act_range, self._layout.act_pitch, self._act_share
        words = min(length, pitch - act_range * length)
        word = tile.row * pitch + act_range * length
        at = slot * self._tiling.tile_rows * length
        pieces = tile.rows
        if words == length == pitch:
            words, pieces = words * pieces, 1
        for piece in range(pieces):
            address = self._addresses.activations + (word + piece * pitch) * self._act_bytes
            row = (at + piece * length) // share
            loads.append(_Load(Buffer.ACT, row, words // share, address, after))

    def _plan_scales(
        self, loads: list[_Load], after: int, slot: int, tile: Tile, group: int
    ) -> None:
        share = self._scale_share
        first = tile.n // share
        rows = -(-(tile.n + tile.n_blocks) // share) - first
        word = group * self._layout.group_pitch + first * share
        address = self._addresses.groups + word * self._scale_bytes
        row = slot * self._tiling.scale_words // share
        loads.append(_Load(Buffer.SCALE, row, rows, address, after))

    def _plan_weights(self, loads: list[_Load], after: int, slot: int, chunk: Chunk) -> None:
        pitch = self._layout.n_pitch
        row = slot * self._tiling.chunk_words
        words, pieces = chunk.n_blocks * self._planes, chunk.k_blocks
        if chunk.n_blocks == pitch:
            words, pieces = words * pieces, 1
        for piece in range(pieces):
            word = ((chunk.k + piece) * pitch + chunk.n) * self._planes
            address = self._addresses.weights + word * self._weight_bytes
            loads.append(_Load(Buffer.WEIGHT, row + piece * words, words, address, after))

    def _issue(self, plan: _Plan) -> int:
        """Add the LOADs of a chunk; number of the last, -1 where everything is there."""
        last = -1
        for buffer, row, rows, address, after in plan.loads:
            last = self._builder.load(buffer, row, rows, address, after_lmma=after)
        return last

    # -- COMPUTE ---------------------------------------------------------------------------------

    def _multiply(self, chunk: Chunk, plan: _Plan, loaded: int) -> None:
        tiling, tile = self._tiling, chunk.tile
        length = tiling.act_range
        after_store = -1
        before = tile.number - tiling.psum_slots
        if before >= 0 and chunk.clear and chunk.n == tile.n:
            # The partial sums are those of an earlier tile: all its STOREs go first.
            while self._stores and self._stores[0][1].number <= before:
                self._issue_stores(self._stores[0][0], at_most=1)
            after_store = self._stored_by.pop(before)
        scale_first = tile.n // self._scale_share * self._scale_share
        scale = plan.scale * tiling.scale_words + chunk.n - scale_first
        self._builder.lmma(
            plan.act * tiling.tile_rows * length + chunk.k % length,
            length,
            plan.weight * tiling.chunk_words,
            scale if self._layout.grouped else 0,
            self._psum_base(tile) + chunk.n - tile.n,
            tile.n_blocks,
            chunk.k_blocks,
            chunk.n_blocks,
            tile.rows,
            chunk.clear,
            self._layout.grouped,
            after_load=loaded,
            after_store=after_store,
        )

    def _psum_base(self, tile: Tile) -> int:
        return tile.number % self._tiling.psum_slots * self._psum_slot

    # -- STORE -----------------------------------------------------------------------------------

    def _queue_stores(self, lmma: int, chunk: Chunk) -> None:
        """Note the STOREs of the outputs that LMMA number `lmma` completes."""
        if not chunk.final:
            return
        tile = chunk.tile
        first = 0 if chunk.n == tile.n else self._stored_blocks
        done = chunk.n + chunk.n_blocks - tile.n
        # Short chunks are gathered so that few tokens are needed.
        if done < tile.n_blocks and (done - first) * self._store_groups < tile.n_blocks:
            self._stored_blocks = first
            return
        self._stored_blocks = done
        words, blocks = done - first, self._layout.n_blocks
        base = self._psum_base(tile) + first
        block = (tile.segment * self._tiling.row_blocks + tile.row) * blocks + tile.n + first
        rows, stride = tile.rows, tile.n_blocks
        if words == blocks and rows * words <= _MOST_STORE_WORDS:
            words, rows = rows * words, 1
        for row in range(rows):
            address = self._addresses.outputs + (block + row * blocks) * self._out_bytes
            self._stores.append((lmma, tile, (base + row * stride, words, address)))

    def _issue_stores(self, lmma: int, *, at_most: int) -> None:
        """Add the next STOREs of outputs complete with LMMA number `lmma`."""
        for _ in range(at_most):
            if not self._stores or self._stores[0][0] > lmma:
                return
            after, tile, (base, words, address) = self._stores.popleft()
            last = self._builder.store(base, words, address, after_lmma=after)
            self._stored_by[tile.number] = last
