"""Instructions with dependencies in, an encoded program with tokens out."""

from __future__ import annotations

import numpy as np

from ..hw.isa import Engine, Opcode
from ..hw.program import encode_columns, pack_planes

__all__ = ["ProgramBuilder"]

_LOAD, _COMPUTE, _STORE = (1 << engine for engine in Engine)

_LOAD_FIELDS = ("wait", "signal", "buffer", "row", "rows", "address")
_LMMA_FIELDS = (
    "wait",
    "signal",
    "act_base",
    "act_stride",
    "weight_base",
    "scale_base",
    "psum_base",
    "psum_stride",
    "k_blocks",
    "n_blocks",
    "rows",
    "clear",
    "group",
)
_STORE_FIELDS = ("wait", "signal", "psum_base", "words", "address")
_REQUANTISE_FIELDS = ("requantise", "multiplier", "shift")


class ProgramBuilder:
    """Collects instructions in program order and pairs their dependencies off as tokens.

    An instruction may come after one instruction of each other engine, named by its number among
    its kind. Engines work in order, so that being behind one instruction means being
    behind all before it: a wait is added only where no earlier wait of the same engine implies it,
    and every wait has a giver of its own. Tokens are thus given and taken in the same
    order, and none is left over.

    Instructions are kept as lists of fields and encoded all at once, which takes about a
    microsecond an instruction.

    Parameters
    ----------
    requantise : tuple of int, optional
        Multiplier and shift of all STOREs; by default they store partial sums as they are.
    """

    def __init__(self, requantise: tuple[int, int] | None = None) -> None:
        self._requantise = [0, 0, 0] if requantise is None else [1, *requantise]
        self._order: list[Opcode] = []
        self._loads: list[list[int]] = []
        self._lmmas: list[list[int]] = []
        self._stores: list[list[int]] = []
        self._planes: np.ndarray | None = None
        # The newest instruction that LOAD, COMPUTE, STORE are known to be behind of.
        self._load_after_lmma = -1
        self._lmma_after_load = -1
        self._lmma_after_store = -1
        self._store_after_lmma = -1

    def planes(
        self,
        planes: tuple[tuple[int, bool], ...],
        *,
        halve: bool,
        coefficient: int,
        act_planes: int,
    ) -> None:
        """The one PLANES instruction of the program, ahead of all others."""
        columns = {
            "count": len(planes),
            "halve": int(halve),
            "coefficient": coefficient,
            "act_planes": act_planes,
        }
        arrays: dict[str, np.ndarray] = {name: np.array([v]) for name, v in columns.items()}
        arrays["planes"] = np.array([pack_planes(list(planes))], np.uint64)
        self._planes = encode_columns(Opcode.PLANES, arrays)

    def load(self, buffer: int, row: int, rows: int, address: int, *, after_lmma: int) -> int:
        """Add a LOAD that begins once LMMA `after_lmma` (-1: none) has completed."""
        wait = 0
        if after_lmma > self._load_after_lmma:
            wait = _COMPUTE
            self._lmmas[after_lmma][1] |= _LOAD
            self._load_after_lmma = after_lmma
        self._loads.append([wait, 0, buffer, row, rows, address])
        self._order.append(Opcode.LOAD)
        return len(self._loads) - 1

    def lmma(self, *fields: int, after_load: int, after_store: int) -> int:
        """Add an LMMA; `fields` are those of the ISA from `act_base` to `group`, in order."""
        wait = 0
        if after_load > self._lmma_after_load:
            wait = _LOAD
            self._loads[after_load][1] |= _COMPUTE
            self._lmma_after_load = after_load
        if after_store > self._lmma_after_store:
            wait |= _STORE
            self._stores[after_store][1] |= _COMPUTE
            self._lmma_after_store = after_store
        self._lmmas.append([wait, 0, *fields])
        self._order.append(Opcode.LMMA)
        return len(self._lmmas) - 1

    def store(self, psum_base: int, words: int, address: int, *, after_lmma: int) -> int:
        """Add a STORE that begins once LMMA `after_lmma` has completed."""
        wait = 0
        if after_lmma > self._store_after_lmma:
            wait = _COMPUTE
            self._lmmas[after_lmma][1] |= _STORE
            self._store_after_lmma = after_lmma
        self._stores.append([wait, 0, psum_base, words, address, *self._requantise])
        self._order.append(Opcode.STORE)
        return len(self._stores) - 1

    def encode(self) -> np.ndarray:
        """The program with its END: uint64 ``[instructions, 2]``."""
        order = np.array(self._order, np.int64)
        first = 0 if self._planes is None else 1
        program = np.empty((first + len(order) + 1, 2), np.uint64)
        if self._planes is not None:
            program[:1] = self._planes
        program[-1:] = encode_columns(Opcode.END, {})
        body = program[first:-1]
        kinds = (
            (Opcode.LOAD, self._loads, _LOAD_FIELDS),
            (Opcode.LMMA, self._lmmas, _LMMA_FIELDS),
            (Opcode.STORE, self._stores, _STORE_FIELDS + _REQUANTISE_FIELDS),
        )
        for opcode, instructions, names in kinds:
            if instructions:
                table = np.array(instructions, np.int64)
                columns = {name: table[:, i] for i, name in enumerate(names)}
                body[order == opcode] = encode_columns(opcode, columns)
        return program
