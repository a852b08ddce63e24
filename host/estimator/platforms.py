"""Where a model would run: clock, memory and configuration, of Lutra's boards and of others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ...boards.memory.kinds import Memory, Sdram
from ...boards.memory.sdram_chip import SdramTiming
from ...boards.registry import BOARDS, UnknownBoardError, find_board
from ...gen.config_names import load_config
from ...hw.config import Config
from ...sim.cycles import MemoryTiming
from .model_shape import EstimateError

__all__ = ["ASSUMED", "Platform", "find_platform", "platform_names", "sdram_rate"]


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One accelerator with its memory, or several that share it.

    Attributes
    ----------
    name, title : str
    clock_hz : float
    bandwidth : float
        Bytes a second that the memory sustains; 0 where none is large enough to hold weights.
    latency : int
        Cycles from an address to its data.
    memory_bytes : int
    memory : str
        The same for people.
    config : str
    assumed : bool
        Nothing was built for it: clock and bandwidth are taken from data sheets and experience.
    accelerators : int
        That share the memory, each with a part of every matrix's outputs.
    """

    name: str
    title: str
    clock_hz: float
    bandwidth: float
    latency: int
    memory_bytes: int
    memory: str
    config: str
    assumed: bool = False
    accelerators: int = 1

    def timing(self, config: Config) -> MemoryTiming:
        """The share of one accelerator, as the cycle model wants it.

        Raises
        ------
        EstimateError
            The board has no memory for weights.
        """
        if not self.bandwidth:
            raise EstimateError(
                f"{self.name} has {self.memory} and no larger memory that Lutra drives; give the "
                "bandwidth of one to estimate with it"
            )
        each = self.bandwidth / self.clock_hz / self.accelerators
        port = 2 * config.axi_bits / 8  # a beat a cycle in each direction
        return MemoryTiming(latency=self.latency, bytes_per_cycle=0 if each >= port else each)


def sdram_rate(memory: Sdram, data_bits: int, clock_hz: float) -> float:
    """Bytes a cycle of `SdramController` for successive beats.

    A beat takes a cycle a column and one more, a row change closes and opens one, and refreshing
    closes all rows.
    """
    chip = memory.chip
    timing = SdramTiming(chip, clock_hz)
    columns = data_bits // chip.data_bits
    beats_per_row = (1 << chip.column_bits) / columns
    change = 2 + timing.cycles(chip.t_rp) + timing.cycles(chip.t_rcd)
    beat = columns + 1 + change / beats_per_row
    refresh = 2 + timing.cycles(chip.t_rp) + timing.cycles(chip.t_rfc) + change
    return data_bits / 8 / beat * (1 - refresh / timing.refresh_interval)


#: Boards that Lutra has no build for, with what their makers say of the memory; 80 % of its peak
#: is taken, and a clock that designs of this kind reach on such chips.
_PEAK_SHARE = 0.8
_OTHERS = (
    # name, title, clock, peak bytes/s, latency in cycles, bytes of memory, kind
    ("orangecrab_ddr3", "OrangeCrab 85F with its DDR3L, 192 MT/s x 16 at a 48 MHz clock",
     48e6, 384e6, 12, 128 << 20, "DDR3L"),
    ("arty_a7_100_ddr3", "Digilent Arty A7-100T with its DDR3L, 667 MT/s x 16",
     100e6, 1.334e9, 30, 256 << 20, "DDR3L"),
    ("kv260", "AMD Kria KV260, Zynq UltraScale+, DDR4 of 2400 MT/s x 64",
     250e6, 19.2e9, 60, 4 << 30, "DDR4"),
    ("alveo_u280", "AMD Alveo U280, HBM2 of 460 GB/s",
     300e6, 460e9, 80, 8 << 30, "HBM2"),
)  # fmt: skip

ASSUMED = {
    name: Platform(
        name=name,
        title=f"{title} (assumed)",
        clock_hz=clock,
        bandwidth=_PEAK_SHARE * peak,
        latency=latency,
        memory_bytes=size,
        memory=f"{size >> 20} MiB of {kind}",
        config="w2a8",
        assumed=True,
    )
    for name, title, clock, peak, latency, size, kind in _OTHERS
}


def platform_names() -> list[str]:
    """Lutra's boards, then the assumed ones."""
    return [*BOARDS, *ASSUMED]


def find_platform(name: str) -> Platform:
    """A board of `lutra.boards`, at its default clock and memory, or an assumed one.

    Raises
    ------
    EstimateError
        There is none of that name.
    """
    key = name.strip().lower().replace("-", "_")
    if key in ASSUMED:
        return ASSUMED[key]
    try:
        board = find_board(name)
    except UnknownBoardError:
        near = difflib.get_close_matches(key, platform_names(), n=3, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise EstimateError(
            f"board must be one of {', '.join(platform_names())}, not {name!r}{hint}"
        ) from None
    memory: Memory = next(iter(board.memories.values()))
    config = load_config(board.config)
    bandwidth, latency = 0.0, 32
    if isinstance(memory, Sdram):
        bandwidth = sdram_rate(memory, config.axi_bits, board.clock_hz) * board.clock_hz
        # Into the controller, a row and the columns of one beat, and back.
        latency = 10 + memory.chip.cas_latency + config.axi_bits // memory.chip.data_bits
    return Platform(
        name=board.name,
        title=board.title,
        clock_hz=board.clock_hz,
        bandwidth=bandwidth,
        latency=latency,
        memory_bytes=memory.size,
        memory=str(memory),
        config=board.config,
    )
