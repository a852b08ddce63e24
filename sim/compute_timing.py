"""COMPUTE as the cycle model sees it: tables built ahead, one lookup a cycle."""

from __future__ import annotations

from ..hw.config import Config
from ..hw.element_latency import element_latency

__all__ = ["ComputeTiming"]

_TABLE = 2  # the end of building to a lookup
_BANK = 2  # a bank's last lookup to its reuse
_TOKEN = 5  # the last lookup to the token, beside the element's latency


class ComputeTiming:
    """Times of the table builder and of the lookups behind the last instruction.

    Attributes
    ----------
    front : float
        Cycle from which the next instruction can be taken.
    ended : float
        Cycle of the last lookup.
    passes : int
        Lookups of each output block and K block: planes times activation planes.
    array_busy, table_stall : int
    """

    def __init__(self, config: Config) -> None:
        self._token = _TOKEN + element_latency(config)
        self._with_tables = config.pe in ("lut", "lut3")
        self._build = config.build_cycles if self._with_tables else 0
        self.front = self.ended = 0.0
        self._ended_before = self._built = self._begun = 0.0
        self.passes = 1
        self.array_busy = self.table_stall = 0

    @property
    def rest(self) -> float:
        """Cycle from which the engine does nothing but wait."""
        return self.ended + self._token - 1

    def planes(self, taken: float, count: int, passes: int) -> float:
        """PLANES, taken at `taken`: when its tokens are there."""
        done = max(taken + 2, self.ended + self._token) + count + 1
        self.front, self.passes = taken + 1, passes
        self.ended = self._ended_before = done - self._token
        return done

    def multiply(self, taken: float, blocks: int, outputs: int, *, lost: float) -> float:
        """LMMA of `blocks` K blocks and row blocks: when its tokens are there.

        Each block's table is built while the lookups of the block before run, into the bank that
        the one before that has left: a block takes the longer of the two. `lost` cycles go to
        STORE.
        """
        length = outputs * self.passes
        self.array_busy += blocks * length
        ended, before, built = self.ended, self._ended_before, self._built
        begun, read = self._begun, taken
        period = 0.0
        for block in range(min(blocks, 4)):
            # The front reads a block of activations while the builder takes the one before.
            read = max(read + 1, begun)
            begun = max(read + 1, built, before + _BANK)
            built = begun + self._build
            start = max(ended + 1, built + _TABLE, taken + 3)
            period = start + length - 1 - ended
            asked = max(ended + 1, taken + 3) if block == 0 else ended + 1
            self.table_stall += int(start - asked)
            before, ended = ended, start + length - 1
        if blocks > 4:
            # From here on, every block takes as long as the last.
            rest = blocks - 4
            self.table_stall += int((period - length) * rest)
            begun, built = begun + period * rest, built + period * rest
            before, ended = before + period * rest, ended + period * rest
            read = begun - period
        self.front, self._begun = read + 1, begun
        self._ended_before, self._built = before, built
        self.ended = ended + lost
        return self.ended + self._token
