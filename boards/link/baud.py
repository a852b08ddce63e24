"""From a clock and a baud rate to the divisor of the UART."""

from __future__ import annotations

__all__ = ["TOLERANCE", "BaudError", "baud_divisor"]

#: Largest relative error of the divisor. Both ends together may be half a bit off after ten; a
#: quarter of that is left to the divisor, the rest to oscillators and slow edges.
TOLERANCE = 0.0125

#: Fewest clock cycles of a bit that a receiver can take three samples of.
_LEAST = 5


class BaudError(ValueError):
    """No whole number of clock cycles is near enough to one bit."""


def baud_divisor(clock_hz: float, baud: int) -> int:
    """Clock cycles of one bit, ``round(clock_hz / baud)``.

    Raises
    ------
    BaudError
        That is more than `TOLERANCE` off, or fewer than 5 cycles; the text has rates that work.

    Examples
    --------
    >>> baud_divisor(25e6, 1_000_000)
    25
    """
    if baud <= 0:
        raise BaudError(f"baud must be positive, not {baud}")
    divisor = round(clock_hz / baud)
    if divisor < _LEAST:
        raise BaudError(
            f"baud must be at most {clock_hz / _LEAST:.0f}, a {_LEAST}th of the clock, not {baud}"
        )
    if abs(clock_hz / divisor - baud) > TOLERANCE * baud:
        near = sorted({round(clock_hz / d) for d in (divisor, divisor + 1)})
        raise BaudError(
            f"baud must be within {TOLERANCE:.2%} of the clock of {clock_hz:.0f} Hz divided by a "
            f"whole number (such as {' or '.join(map(str, near))}), not {baud}"
        )
    return divisor
