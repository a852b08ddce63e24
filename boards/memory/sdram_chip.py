"""Single-data-rate SDRAM chips: their shape, their times, and both in clock cycles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SDR_16M16", "SdramChip", "SdramPins", "SdramTiming"]


@dataclass(frozen=True, kw_only=True)
class SdramChip:
    """What the data sheet says. Times are in nanoseconds.

    Attributes
    ----------
    name : str
    data_bits, row_bits, column_bits, bank_bits : int
        Shape: ``2**(row + column + bank)`` words of `data_bits`.
    cas_latency : int
        Cycles from READ to its data, 2 or 3.
    t_rcd, t_rp, t_ras, t_rfc, t_wr, t_mrd : float
        ACTIVATE to READ or WRITE; PRECHARGE to the next ACTIVATE; ACTIVATE to PRECHARGE; REFRESH
        to the next command; last data written to PRECHARGE; MODE to the next command.
    t_init : float
        Wait after power-up.
    refresh_period : float
        In which every row has to be refreshed once.
    """

    name: str
    data_bits: int = 16
    row_bits: int = 13
    column_bits: int = 9
    bank_bits: int = 2
    cas_latency: int = 3
    t_rcd: float = 21
    t_rp: float = 21
    t_ras: float = 49
    t_rfc: float = 70
    t_wr: float = 15
    t_mrd: float = 15
    t_init: float = 200_000
    refresh_period: float = 64e6

    @property
    def size(self) -> int:
        """Bytes."""
        return (self.data_bits // 8) << (self.row_bits + self.column_bits + self.bank_bits)


#: 32 MB as four banks of 4M x 16 bits, in the slowest grade of the chips that ULX3S boards came
#: with (IS42S16160G-7, W9825G6KH-6, AS4C16M16SA-7): the longest of each time in their data sheets.
SDR_16M16 = SdramChip(name="16M16")


@dataclass(frozen=True)
class SdramTiming:
    """The chip's times in cycles of a clock, each at least 1.

    Parameters
    ----------
    chip : SdramChip
    clock_hz : float

    Raises
    ------
    ValueError
        The clock is too slow to refresh the chip, or above what its latency allows.
    """

    chip: SdramChip
    clock_hz: float

    def __post_init__(self) -> None:
        # Both latencies are guaranteed to at least these clocks in every grade.
        most = 133e6 if self.chip.cas_latency == 3 else 100e6
        if not 1e6 <= self.clock_hz <= most:
            raise ValueError(
                f"SDRAM clock must be from 1 to {most / 1e6:.0f} MHz, not {self.clock_hz / 1e6:g}"
            )

    def cycles(self, nanoseconds: float) -> int:
        """Cycles that take at least so long."""
        return max(1, math.ceil(nanoseconds * self.clock_hz / 1e9 - 1e-6))

    @property
    def refresh_interval(self) -> int:
        """Cycles between two REFRESH commands, a twentieth early: one may wait for an access."""
        rows = 1 << self.chip.row_bits
        return math.floor(0.95 * self.chip.refresh_period / rows * self.clock_hz / 1e9)


class SdramPins(wiring.Signature):
    """The signals of a chip (seen from the controller), all active high."""

    def __init__(self, chip: SdramChip) -> None:
        super().__init__(
            {
                "clk_en": Out(1),
                "cs": Out(1),
                "ras": Out(1),
                "cas": Out(1),
                "we": Out(1),
                "ba": Out(chip.bank_bits),
                "a": Out(chip.row_bits),
                "dqm": Out(chip.data_bits // 8),
                "dq_o": Out(chip.data_bits),
                "dq_oe": Out(1),
                "dq_i": In(chip.data_bits),
            }
        )
