"""Cycle counts from configuration and program alone: no data, no clock.

The model follows the instructions of a program in their order, and for each computes when it
is dispatched, begins and ends from the times of those before it. Whatever an instruction can wait
for stands before it in the program (tokens, queue places, banks of tables, the memory port), so
one pass settles all times, and what happens within an instruction is summed up in closed form.
Only where the memory's bandwidth is scarce a few more passes follow, since fetches and writes then
delay loads of instructions before them.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from ..hw.config import Config
from ..hw.isa import ENGINES, Buffer, Engine, Opcode
from ..hw.program import INSTRUCTION_BYTES, decode_columns
from ..hw.registers import COUNTERS
from .compute_timing import ComputeTiming
from .memory_timing import MemoryTiming, ReadChannel, WriteChannel

__all__ = ["MemoryTiming", "predict"]

# What the stages of the hardware take, in cycles, as read off its sources.
_START = 4  # the start of a program to FETCH's first address
_FETCH = 2  # room for a piece of the program to its address
_DECODE = 4  # a beat to its first instruction in a queue
_PIECE = 16  # instructions that FETCH asks for at a time; it holds two pieces
_QUEUE = 4  # instructions in a queue
_ISSUE = 3  # out of the queue to out of the front of LOAD or STORE
_ISSUE_INTERVAL = 2  # between two instructions there
_LOAD_ADDRESS = 2  # out of the front to the address on the bus
_LOAD_TOKEN = 3  # the last beat to the token
_LOAD_AHEAD = 17  # instructions of LOAD between front and last beat
_STORE_DATA = 5  # out of the front to the first beat on the bus
_STORE_TOKEN = 3  # the response to the token
_STORE_AHEAD = 8  # instructions of STORE begun and not confirmed
_YIELD = 8  # cycles without a free one after which lookups leave one to STORE

_PASSES = 6  # over a program whose fetches, loads and writes compete for the memory

_Instructions = list[tuple[Opcode, dict[str, int]]]
_Bursts = list[tuple[float, int]]


def predict(
    config: Config, program: np.ndarray, timing: MemoryTiming | None = None
) -> dict[str, int]:
    """Counters of a legal program, by their names in `hw.registers.COUNTERS`.

    `array_busy` and the bytes are exact; the cycles are within 1 % of the RTL; the stalls tell
    where the time goes.

    Parameters
    ----------
    config : Config
    program : ndarray of uint64, shape ``[instructions, 2]``
    timing : MemoryTiming, optional
    """
    timing = timing or MemoryTiming()
    instructions = _decoded(program)
    model = _Model(config, timing, instructions)
    counters = model.run()
    if timing.bytes_per_cycle:
        # Fetches and writes delay reads and reads writes: halfway to what the last pass found is
        # stable.
        writes, fetches = model.writes.bursts, model.reads.wanted
        for _ in range(_PASSES):
            model = _Model(config, timing, instructions, writes=writes, fetches=fetches)
            counters = model.run()
            found = model.writes.bursts, model.reads.wanted
            if _close(writes, found[0]) and _close(fetches, found[1]):
                break
            writes, fetches = _between(writes, found[0]), _between(fetches, found[1])
    return counters


def _close(a: _Bursts, b: _Bursts) -> bool:
    return all(abs(s - t) < 1 for (s, _), (t, _) in zip(a, b, strict=True))


def _between(a: _Bursts, b: _Bursts) -> _Bursts:
    return [((s + t) / 2, n) for (s, n), (t, _) in zip(a, b, strict=True)]


class _Model:
    """The state of FETCH, dispatch and the engines behind the last instruction."""

    def __init__(
        self,
        config: Config,
        timing: MemoryTiming,
        instructions: _Instructions,
        *,
        writes: _Bursts | None = None,
        fetches: _Bursts | None = None,
    ) -> None:
        self._config = c = config
        self._instructions = instructions
        self.reads = ReadChannel(c, timing, writes=writes or [], fetches=fetches or [])
        self.writes = WriteChannel(c, timing)
        self._compute = ComputeTiming(c)
        self._beat, self._beat_cycles = c.axi_bits // 8, timing.beat_cycles(c)
        self._parts = max(1, INSTRUCTION_BYTES // self._beat)
        self._row_beats = {
            Buffer.ACT: c.beats_per_row(c.act_word_bits),
            Buffer.WEIGHT: c.beats_per_row(c.weight_word_bits),
            Buffer.SCALE: c.beats_per_row(c.scale_word_bits),
        }
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._tokens = {(a, b): deque[float]() for a in ENGINES for b in ENGINES if a != b}
        self._queues = {engine: deque([0.0] * _QUEUE) for engine in ENGINES}
        self._dispatched = self._last = 0.0
        self._left = {Engine.LOAD: (0.0, 0.0), Engine.STORE: (0.0, 0.0)}
        self._requested = self._words_done = 0.0
        self._ahead = deque([0.0] * _LOAD_AHEAD)
        self._unconfirmed = deque([0.0] * _STORE_AHEAD)
        self._lookups_left, self._lost = _lookups(instructions), 0.0
        self._alone = _stores_alone(instructions)

    def run(self) -> dict[str, int]:
        program = self._instructions
        pieces = [
            -(-min(_PIECE, len(program) - i) * INSTRUCTION_BYTES // self._beat)
            for i in range(0, len(program), _PIECE)
        ]
        self._counters["bytes_read"] += sum(pieces) * self._beat
        for piece, beats in enumerate(pieces[:2]):
            self.reads.want(_START + piece, beats)
        first_beat = moved = 0.0
        for i, (opcode, f) in enumerate(program):
            piece, place = divmod(i, _PIECE)
            if place == 0:
                first_beat = self.reads.fetched() - (pieces[piece] - 1) * self._beat_cycles
            # Put together from its beats while the one before waits to be dispatched.
            beat = ((place + 1) * INSTRUCTION_BYTES - 1) // self._beat
            available = first_beat + beat * self._beat_cycles
            ready = max(available + _DECODE - 1, moved + self._parts)
            moved = max(ready, self._dispatched)
            self._dispatched = moved + 1
            engine = opcode.engine
            if engine is None:
                break
            self._dispatched = max(self._dispatched, self._queues[engine].popleft() + 1)
            # The last but two is gone: the last leaves the buffer, which has room for a piece.
            if place == _PIECE - 3 and piece + 2 < len(pieces):
                self.reads.want(self._dispatched + self._parts + _FETCH, pieces[piece + 2])
            if engine is Engine.LOAD:
                self._load(f)
            elif engine is Engine.STORE:
                self._store(f, alone=i in self._alone)
            else:
                self._multiply(opcode, f)
        self._counters["cycles"] = math.ceil(max(self._last, self._dispatched))
        self._counters["array_busy"] = self._compute.array_busy
        self._counters["table_stall"] = self._compute.table_stall
        return self._counters

    # -- tokens and queues -----------------------------------------------------------------------

    def _take(self, giver: Engine, taker: Engine, f: dict[str, int]) -> float:
        """When the token of `giver` is there that an instruction waits for, if it does."""
        tokens = self._tokens[giver, taker]
        return tokens.popleft() if f["wait"] >> giver & 1 and tokens else 0.0

    def _give(self, engine: Engine, f: dict[str, int], when: float) -> None:
        self._last = max(self._last, when)
        for taker in ENGINES:
            if f["signal"] >> taker & 1:
                self._tokens[engine, taker].append(when)

    def _leave_front(self, engine: Engine, f: dict[str, int], room: float) -> float:
        """Through the two registers in front of LOAD and STORE."""
        before, last = self._left[engine]
        taken = max(self._dispatched + 1, before)
        self._queues[engine].append(taken)
        token = max(self._take(giver, engine, f) for giver in ENGINES if giver != engine)
        leave = max(taken + _ISSUE, last + _ISSUE_INTERVAL, token + 1, room)
        self._left[engine] = last, leave
        return leave

    # -- engines ---------------------------------------------------------------------------------

    def _load(self, f: dict[str, int]) -> None:
        beats = f["rows"] * self._row_beats[Buffer(f["buffer"])]
        room = max(self._ahead.popleft(), self._requested - 1)
        leave = self._leave_front(Engine.LOAD, f, room)
        self._requested, done = self.reads.load(leave + _LOAD_ADDRESS, f["address"], beats)
        self._ahead.append(done + 2)
        self._counters["bytes_read"] += beats * self._beat
        self._give(Engine.LOAD, f, done + _LOAD_TOKEN)

    def _multiply(self, opcode: Opcode, f: dict[str, int]) -> None:
        compute = self._compute
        taken = max(self._dispatched + 1, compute.front)
        for giver, stall in ((Engine.LOAD, "weight_stall"), (Engine.STORE, "store_stall")):
            token = self._take(giver, Engine.COMPUTE, f)
            self._counters[stall] += max(0, int(token - max(taken, compute.rest)))
            taken = max(taken, token)
        self._queues[Engine.COMPUTE].append(taken)
        if opcode is Opcode.PLANES:
            done = compute.planes(taken, f["count"], f["count"] * f["act_planes"])
        else:
            blocks = f["k_blocks"] * f["rows"]
            done = compute.multiply(taken, blocks, f["n_blocks"], lost=self._lost)
            self._lookups_left -= blocks * f["n_blocks"] * compute.passes
            self._lost = 0.0
        self._give(Engine.COMPUTE, f, done)

    def _store(self, f: dict[str, int], *, alone: bool) -> None:
        c, words = self._config, f["words"]
        word_bits = c.requant_word_bits if f["requantise"] else c.psum_word_bits
        beats = -(-words * c.memory_word_bits(word_bits) // c.axi_bits)
        leave = self._leave_front(
            Engine.STORE, f, max(self._words_done, self._unconfirmed.popleft())
        )
        # Lookups complete a word every `passes` cycles and leave the port free in between.
        passes = self._compute.passes
        between = float(_YIELD + 1) if passes == 1 else passes / (passes - 1)
        each = max(1.0, beats / words)
        if f["requantise"]:
            each = -(-c.lanes * c.rows // min(4, 1 << (c.lanes * c.rows - 1).bit_length()))
        busy_until = self._compute.ended + (0 if alone else self._lookups_left)
        during = min(words, max(0.0, (busy_until - leave) / max(between, each)))
        if passes == 1:
            self._lost += during
        cycles = during * max(between, each) + (words - during) * each
        if passes > 1 and during >= 1:
            cycles -= max(between, each) - each  # the last one does not wait for another
        self._words_done = leave + 1 + cycles
        done = self.writes.store(
            leave + _STORE_DATA, cycles / beats, f["address"], beats, reads_until=self.reads.free
        )
        self._counters["bytes_written"] += beats * self._beat
        self._unconfirmed.append(done + 2)
        self._give(Engine.STORE, f, done + _STORE_TOKEN)


def _lookups(instructions: _Instructions) -> int:
    total = each = 0
    for opcode, f in instructions:
        if opcode is Opcode.PLANES:
            each = f["count"] * f["act_planes"]
        elif opcode is Opcode.LMMA:
            total += f["k_blocks"] * f["rows"] * f["n_blocks"] * each
    return total


def _stores_alone(instructions: _Instructions) -> set[int]:
    """STOREs behind which no LMMA can be dispatched while they run: too many STOREs lie between."""
    alone, following = set[int](), deque[int]()
    for i, (opcode, _) in enumerate(instructions):
        if opcode is Opcode.STORE:
            following.append(i)
            if len(following) > _QUEUE + 2:
                alone.add(following.popleft())
        elif opcode is Opcode.LMMA:
            following.clear()
    return alone


def _decoded(program: np.ndarray) -> _Instructions:
    result: _Instructions = [(Opcode.END, {})] * len(program)
    opcodes = (program[:, 0] & np.uint64(15)).astype(np.int64)
    for opcode in Opcode:
        where = np.flatnonzero(opcodes == opcode)
        columns = decode_columns(opcode, program[where])
        names = list(columns)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        for i, row in zip(where.tolist(), rows, strict=True):
            result[i] = opcode, dict(zip(names, row, strict=True))
    return result
