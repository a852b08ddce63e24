"""How much an array computes a cycle, in whole weights times whole activations."""

from __future__ import annotations

from fractions import Fraction

from ...hw.config import Config

__all__ = ["macs_per_cycle", "peak_tops", "planes_per_weight"]


def planes_per_weight(config: Config) -> int:
    """Passes that a weight of the nominal width takes.

    One for each bit plane; one for `lut3` (a trit) and where a digit holds the whole weight (`mac`,
    `shiftadd`); for `bitserial` one for each pair of a weight bit and an activation bit.
    """
    if config.pe == "lut3":
        return 1
    planes = -(-config.weight_bits // config.digit_bits)
    return planes * config.act_bits if config.pe == "bitserial" else planes


def macs_per_cycle(config: Config) -> Fraction:
    """MACs (a whole weight times a whole activation) of a busy cycle, at the nominal widths."""
    return Fraction(config.plane_macs_per_cycle, planes_per_weight(config))


def peak_tops(config: Config, clock_hz: float) -> float:
    """``2 * MACs a cycle * clock / 1e12``: of the array when it is busy in every cycle."""
    return float(2 * macs_per_cycle(config) * clock_hz / 1e12)
