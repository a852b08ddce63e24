"""Dividers of the clock generators of each family: pure arithmetic, no hardware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ClockError", "PllSettings", "pll_settings"]

#: Relative error of a frequency that is taken for the one asked for.
_TOLERANCE = 0.005


class ClockError(ValueError):
    """The clock generator cannot make this frequency; the text has the nearest ones it can."""


@dataclass(frozen=True)
class PllSettings:
    """One setting of a clock generator.

    Attributes
    ----------
    divide, multiply : int
        Of the input, and of the feedback.
    output : int
        Divider between oscillator and output.
    frequency : float
        Of the output, in Hz.
    """

    divide: int
    multiply: int
    output: int
    frequency: float


@dataclass(frozen=True)
class _Limits:
    """What a generator can do; frequencies in MHz.

    Where the feedback is taken `behind` the output divider, that divider changes the oscillator
    and not the output: ``f_out = f_in * multiply / divide``. Else ``f_out`` is that, divided by
    `output`.
    """

    behind: bool
    divides: range
    multiplies: range
    outputs: Sequence[int]
    compared: tuple[float, float]
    oscillator: tuple[float, float]


#: For the slowest grades. ECP5: as prjtrellis' ecppll has them. Gowin rPLL: UG286 and the data
#: sheet of the GW1NR-9. 7-series PLLE2: DS181, grade -1.
_LIMITS = {
    "ecp5": _Limits(
        True, range(1, 129), range(1, 129), range(1, 129), (3.125, 400), (400, 800)
    ),
    "gowin": _Limits(
        True, range(1, 65), range(1, 65), (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128),
        (3, 400), (400, 1000),
    ),
    "xc7": _Limits(False, range(1, 57), range(2, 65), range(1, 129), (19, 450), (800, 1600)),
}  # fmt: skip


def pll_settings(family: str, f_in: float, f_out: float) -> PllSettings:
    """Setting that comes nearest to `f_out`; of equal ones, that with the fastest comparison.

    Raises
    ------
    ClockError
        The family has no generator here, or it makes nothing within half a percent.

    Examples
    --------
    >>> pll_settings("ecp5", 25e6, 40e6)
    PllSettings(divide=5, multiply=8, output=10, frequency=40000000.0)
    """
    if family not in _LIMITS:
        raise ClockError(
            f"clock must be the oscillator's {f_in / 1e6:g} MHz on {family} boards, "
            f"not {f_out / 1e6:g} MHz"
        )
    settings = list(_all(_LIMITS[family], f_in))
    best = min(settings, key=lambda s: (abs(s.frequency - f_out), s.divide, s.output))
    if abs(best.frequency - f_out) > _TOLERANCE * f_out:
        near = sorted({s.frequency for s in settings}, key=lambda f: abs(f - f_out))[:3]
        text = ", ".join(f"{f / 1e6:g}" for f in sorted(near))
        raise ClockError(
            f"clock must be one that {family} makes of {f_in / 1e6:g} MHz (near {text}), "
            f"not {f_out / 1e6:g} MHz"
        )
    return best


def _all(limits: _Limits, f_in: float) -> Iterator[PllSettings]:
    for divide in limits.divides:
        compared = f_in / divide
        if not limits.compared[0] <= compared / 1e6 <= limits.compared[1]:
            continue
        for multiply in limits.multiplies:
            for output in limits.outputs:
                oscillator = compared * multiply * (output if limits.behind else 1)
                if not limits.oscillator[0] <= oscillator / 1e6 <= limits.oscillator[1]:
                    continue
                yield PllSettings(divide, multiply, output, oscillator / output)
                if limits.behind:
                    break  # any further one changes the oscillator only
