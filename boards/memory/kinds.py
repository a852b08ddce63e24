# amaranth: UnusedElaboratable=no
"""What a board can offer as memory, and the component that each becomes."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.lib.wiring import Component

from .block_ram import BlockRam
from .sdram import SdramController
from .sdram_chip import SdramChip
from .sdram_pads import capture_delay
from .spram import SPRAM_WORDS, Spram

__all__ = ["Memory", "OnChip", "Sdram", "UltraPlus"]


@dataclass(frozen=True)
class Memory:
    """Some memory, from address 0 on.

    Attributes
    ----------
    size : int
        Bytes.
    """

    size: int

    @property
    def reads(self) -> int:
        """Beats that are worth being asked for before the first has come."""
        return 8

    def create(self, data_bits: int, clock_hz: float) -> Component:
        """Component with a `port` of beats of `data_bits`, and `pins` where it needs any."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class OnChip(Memory):
    """Block RAM."""

    def create(self, data_bits: int, clock_hz: float) -> Component:
        return BlockRam(data_bits, self.size * 8 // data_bits)

    def __str__(self) -> str:
        return f"{self.size >> 10} KiB of block RAM"


@dataclass(frozen=True)
class UltraPlus(Memory):
    """Single-port RAM of an iCE40 UltraPlus: 64 or 128 KiB, for a memory port of 32 bits."""

    @property
    def reads(self) -> int:
        """One: such a small chip has no room for a queue of beats."""
        return 1

    def create(self, data_bits: int, clock_hz: float) -> Component:
        if data_bits != 32:
            raise ValueError(f"axi_bits must be 32 for {self}, not {data_bits}")
        return Spram(self.size // 4)

    def __str__(self) -> str:
        return f"{self.size >> 10} KiB of single-port RAM in blocks of {SPRAM_WORDS // 512} KiB"


@dataclass(frozen=True)
class Sdram(Memory):
    """A chip on the board, behind `SdramPads`."""

    chip: SdramChip

    @classmethod
    def of(cls, chip: SdramChip) -> Sdram:
        """All of a chip."""
        return cls(chip.size, chip)

    def create(self, data_bits: int, clock_hz: float) -> Component:
        late = capture_delay(clock_hz)
        return SdramController(self.chip, data_bits=data_bits, clock_hz=clock_hz, late=late)

    def __str__(self) -> str:
        return f"{self.size >> 20} MiB of SDRAM ({self.chip.name})"
