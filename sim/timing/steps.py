"""A program as the cycle model follows it: of each instruction what takes time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...hw.config import Config
from ...hw.isa import ENGINES, Buffer, Engine, Opcode
from ...hw.program import decode_columns

__all__ = ["EndStep", "LmmaStep", "LoadStep", "PlanesStep", "Step", "StoreStep", "program_steps"]

_Engines = tuple[Engine, ...]


class LoadStep(NamedTuple):
    """LOAD: `beats` of the bus from byte `address` on."""

    engine: Engine
    waits: _Engines
    signals: _Engines
    address: int
    beats: int


class PlanesStep(NamedTuple):
    """PLANES: how many `planes`; each output block of a K block then takes `passes` lookups."""

    engine: Engine
    waits: _Engines
    signals: _Engines
    planes: int
    passes: int


class LmmaStep(NamedTuple):
    """LMMA: `rows` row blocks for each K block, `blocks` of both in all, of `outputs` each.

    The partial sums of row block r begin with ``psum + r * stride``.
    """

    engine: Engine
    waits: _Engines
    signals: _Engines
    rows: int
    blocks: int
    outputs: int
    psum: int
    stride: int

    @property
    def last_psum(self) -> int:
        """The last partial sum of the last row block."""
        return self.psum + (self.rows - 1) * self.stride + self.outputs - 1


class StoreStep(NamedTuple):
    """STORE: `words` of partial sums to `beats` of the bus from byte `address` on."""

    engine: Engine
    waits: _Engines
    signals: _Engines
    address: int
    beats: int
    words: int
    requantise: bool


class EndStep(NamedTuple):
    """END, or what no engine would take."""

    engine: None = None


Step = LoadStep | PlanesStep | LmmaStep | StoreStep | EndStep

#: Engines by the mask that an instruction holds.
_MASKS = [tuple(e for e in ENGINES if mask >> e & 1) for mask in range(1 << len(ENGINES))]


def program_steps(config: Config, program: np.ndarray) -> list[Step]:
    """The instructions of a program given as uint64 ``[instructions, 2]``."""
    steps: list[Step] = [EndStep()] * len(program)
    opcodes = (program[:, 0] & np.uint64(15)).astype(np.int64)
    makers = {
        Opcode.LOAD: _loads,
        Opcode.PLANES: _planes,
        Opcode.LMMA: _lmmas,
        Opcode.STORE: _stores,
    }
    for opcode, make in makers.items():
        where = np.flatnonzero(opcodes == opcode)
        fields = decode_columns(opcode, program[where])
        masks = [[_MASKS[mask] for mask in fields[name].tolist()] for name in ("wait", "signal")]
        kind, columns = make(config, fields)
        rows = zip(*masks, *(column.tolist() for column in columns), strict=True)
        for i, row in zip(where.tolist(), rows, strict=True):
            steps[i] = kind(opcode.engine, *row)
    return steps


_Fields = dict[str, np.ndarray]


def _loads(c: Config, f: _Fields) -> tuple[type, list[np.ndarray]]:
    words = {
        Buffer.ACT: c.act_word_bits,
        Buffer.WEIGHT: c.weight_word_bits,
        Buffer.SCALE: c.scale_word_bits,
    }
    beats = np.zeros(len(words), np.int64)
    for buffer, bits in words.items():
        beats[buffer] = c.beats_per_row(bits)
    return LoadStep, [f["address"], f["rows"] * beats[f["buffer"]]]


def _planes(_: Config, f: _Fields) -> tuple[type, list[np.ndarray]]:
    return PlanesStep, [f["count"], f["count"] * f["act_planes"]]


def _lmmas(_: Config, f: _Fields) -> tuple[type, list[np.ndarray]]:
    blocks = f["k_blocks"] * f["rows"]
    return LmmaStep, [f["rows"], blocks, f["n_blocks"], f["psum_base"], f["psum_stride"]]


def _stores(c: Config, f: _Fields) -> tuple[type, list[np.ndarray]]:
    bits = np.array([c.memory_word_bits(c.psum_word_bits), c.memory_word_bits(c.requant_word_bits)])
    beats = -(-f["words"] * bits[f["requantise"]] // c.axi_bits)
    return StoreStep, [f["address"], beats, f["words"], f["requantise"].astype(bool)]
