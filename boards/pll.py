"""Dividers of the clock generators of each family: pure arithmetic, no hardware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["FAMILIES", "ClockError", "PllSettings", "pll_settings"]

#: Families that have a generator here.
FAMILIES = ("ecp5", "gowin", "xc7")

#: Relative error of a frequency that is taken for the one asked for.
_TOLERANCE = 0.005


class ClockError(ValueError):
    """The clock generator cannot make this frequency; the text has the nearest ones it can."""


@dataclass(frozen=True)
class PllSettings:
    """One setting: ``f_out = f_in * multiply / (divide * output)``.

    Attributes
    ----------
    divide, multiply, output : int
        Of the input, of the feedback, and of the oscillator for the output.
    frequency : float
        Output, in Hz.
    """

    divide: int
    multiply: int
    output: int
    frequency: float


def pll_settings(family: str, f_in: float, f_out: float) -> PllSettings:
    """Setting that comes nearest to `f_out`, and among equals has the fastest comparison.

    Limits are those of the slowest grade: ECP5 (Lattice FPGA-DS-02012, table 3.30), Gowin GW1N and
    GW2A (UG286E, rPLL), 7-series PLLE2 (Xilinx DS181, table 38).

    Raises
    ------
    ClockError
        The family has no generator here, or it makes nothing within half a percent.

    Examples
    --------
    >>> pll_settings("ecp5", 25e6, 40e6)
    PllSettings(divide=5, multiply=8, output=15, frequency=40000000.0)
    """
    if family not in FAMILIES:
        raise ClockError(f"clock of {family} boards must be the oscillator's {f_in / 1e6:g} MHz")
    settings = list(_all(family, f_in))
    best = min(settings, key=lambda s: (abs(s.frequency - f_out), s.divide))
    if abs(best.frequency - f_out) > _TOLERANCE * f_out:
        near = sorted({s.frequency for s in settings}, key=lambda f: abs(f - f_out))[:3]
        text = ", ".join(f"{f / 1e6:g}" for f in sorted(near))
        raise ClockError(
            f"clock must be one that {family} makes of {f_in / 1e6:g} MHz, near {text}, "
            f"not {f_out / 1e6:g} MHz"
        )
    return best


def _all(family: str, f_in: float) -> Iterator[PllSettings]:
    """Every setting within the limits of a family; with the oscillator as slow as it may be."""
    if family == "xc7":
        for divide in range(1, 57):
            if not 19e6 <= f_in / divide <= 450e6:
                continue
            for multiply in range(2, 65):
                oscillator = f_in / divide * multiply
                if 800e6 <= oscillator <= 1600e6:
                    for output in range(1, 129):
                        yield PllSettings(divide, multiply, output, oscillator / output)
        return
    # The feedback is taken behind the output divider, which does not change the output then.
    least, low, high, top, outputs = {
        "ecp5": (10e6, 400e6, 800e6, 400e6, range(1, 129)),
        "gowin": (3e6, 500e6, 1000e6, 500e6, (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)),
    }[family]
    largest = 128 if family == "ecp5" else 64
    for divide in range(1, largest + 1):
        if f_in / divide < least and divide > 1 and family == "gowin":
            break
        if f_in / divide < least / 3:
            break
        for multiply in range(1, largest + 1):
            frequency = f_in / divide * multiply
            if frequency > top:
                break
            fitting = [o for o in outputs if low <= frequency * o <= high]
            if fitting:
                yield PllSettings(divide, multiply, fitting[0], frequency)
