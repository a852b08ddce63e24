"""The fewest planes of -1 and +1 that represent every value of a code book exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import RangeError, UnsupportedFormatError
from ..quantized_matrix import Plane

__all__ = ["PlaneSet", "planes_for"]


@dataclass(frozen=True, kw_only=True)
class PlaneSet:
    """Planes, and what their sum is offset by.

    The code c, one bit for each plane, stands for

        value(c) = (sum_i 2**e_i (2 c_i - 1) + offset) / (2 if halve else 1)

    with bit i counted from the least significant plane. Exponents may repeat: ``(0, 0)`` with
    `halve` is -1, 0, +1.

    Attributes
    ----------
    exponents : tuple of int
        Most significant first, the last 0.
    offset : int
    halve : bool
    """

    exponents: tuple[int, ...]
    offset: int
    halve: bool

    @property
    def bits(self) -> int:
        """Number of planes, and width of a code."""
        return len(self.exponents)

    @property
    def magnitude(self) -> int:
        """Sum of all planes' places, what `Config.max_magnitude` limits."""
        return sum(1 << exponent for exponent in self.exponents)

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The planes as a `QuantizedMatrix` takes them."""
        top = self.bits - 1
        return tuple(Plane(top - i, exponent) for i, exponent in enumerate(self.exponents))

    @property
    def values(self) -> np.ndarray:
        """What each code stands for: int64 ``[2**bits]``."""
        code = np.arange(1 << self.bits)
        total = np.full(1 << self.bits, self.offset, np.int64)
        for bit, exponent, _ in self.planes:
            total += (2 * (code >> bit & 1) - 1) << exponent
        return total >> int(self.halve)

    def encode(self, values: Iterable[int]) -> np.ndarray:
        """A code of each value, uint8; where several stand for it, one with the large planes set.

        Raises
        ------
        RangeError
            A value is not among `values`.
        """
        codes = []
        for value in values:
            # value = step * (sum of the places that are set) + least
            step = 1 if self.halve else 2
            least = (self.offset - self.magnitude) >> int(self.halve)
            rest, odd = divmod(int(value) - least, step)
            code = 0
            for bit, exponent, _ in self.planes:
                if rest >= 1 << exponent:
                    rest -= 1 << exponent
                    code |= 1 << bit
            if rest or odd:
                raise RangeError(f"value {value} is not among those of planes {self.exponents}")
            codes.append(code)
        return np.array(codes, np.uint8)


def planes_for(
    values: Iterable[int],
    *,
    max_weight_bits: int = 8,
    max_shift: int = 3,
    grouped: bool = False,
) -> PlaneSet:
    """The fewest planes whose sums include all of `values`.

    A sum of planes ``sum_i 2**e_i (+-1)`` is twice a sub-sum of the places ``2**e_i`` less a
    constant, so values are ``S + const`` with `halve`, ``2 S + const`` without, S from the sub-sums
    of a multiset of powers of two. All multisets that the hardware can run are tried, smallest
    first, with every constant: at most 3 432 of eight planes, each a few operations on a
    bit mask of its sub-sums. Signs need no search, for a negative plane is a positive one with
    its bits inverted. Among the multisets of fewest planes, the one is taken that also works with
    group parameters, then that of smallest magnitude, then of smallest offset.

    Parameters
    ----------
    values : iterable of int
        1 to 256 different integers.
    max_weight_bits, max_shift : int
        As in `Config`: places add up to at most ``2**max_weight_bits - 1``, successive exponents
        differ by at most `max_shift`.
    grouped : bool
        Demand a set that works with zero points or scales per group: halved planes then need
        an odd offset, and the offset has to fit the zero field.

    Raises
    ------
    RangeError
        There are no values, or more than 256.
    UnsupportedFormatError
        No list of planes represents them; the text says what spans too far.

    Examples
    --------
    >>> planes_for([-1, 0, 1]).exponents
    (1, 0)
    >>> planes_for([-1, 1]).halve
    False
    """
    wanted = tuple(sorted({int(value) for value in values}))
    if not 1 <= len(wanted) <= 256:
        raise RangeError(f"values must be 1 to 256 different integers, not {len(wanted)}")
    return _search(wanted, max_weight_bits, max_shift, grouped)


@lru_cache(maxsize=256)
def _search(
    wanted: tuple[int, ...], max_weight_bits: int, max_shift: int, grouped: bool
) -> PlaneSet:
    least, span = wanted[0], wanted[-1] - wanted[0]
    distances = [value - least for value in wanted]
    steps = [(True, distances)]
    if all(distance % 2 == 0 for distance in distances):
        steps.append((False, [distance // 2 for distance in distances]))
    fewest = max(1, (len(wanted) - 1).bit_length())
    for count in range(fewest, max_weight_bits + 1):
        best: tuple[tuple[bool, int, int], PlaneSet] | None = None
        for exponents, sums in _multisets(count, max_weight_bits, max_shift):
            for halve, places in steps:
                for start in _starts(sums, places):
                    offset = (least - start << 1) if halve else least - 2 * start
                    offset += sum(1 << exponent for exponent in exponents)
                    if not _fits(offset, halve, False, max_weight_bits):
                        continue
                    groupable = _fits(offset, halve, True, max_weight_bits)
                    if grouped and not groupable:
                        continue
                    found = PlaneSet(exponents=exponents, offset=offset, halve=halve)
                    rank = (not groupable, found.magnitude, abs(offset))
                    if best is None or rank < best[0]:
                        best = rank, found
        if best is not None:
            return best[1]
    raise UnsupportedFormatError(
        f"values from {least} to {wanted[-1]} span {span}, more than planes reach from there with "
        f"max_weight_bits = {max_weight_bits} and max_shift = {max_shift}"
    )


def _multisets(
    count: int, max_weight_bits: int, max_shift: int
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Falling exponents of `count` planes, the last 0, and the mask of their sub-sums."""
    limit = (1 << max_weight_bits) - 1

    def extend(exponents: tuple[int, ...], total: int, sums: int) -> Iterator[tuple]:
        if len(exponents) == count:
            yield exponents, sums
            return
        for exponent in range(exponents[0], min(exponents[0] + max_shift, max_weight_bits) + 1):
            place = 1 << exponent
            rest = count - len(exponents) - 1
            if total + place * (1 + rest) > limit:
                break
            yield from extend((exponent, *exponents), total + place, sums | sums << place)

    yield from extend((0,), 1, 0b11)


def _starts(sums: int, places: list[int]) -> Iterator[int]:
    """Sub-sums to which the smallest value can be put so that all others are sub-sums too."""
    good = sums
    for place in places:
        good &= sums >> place
        if not good:
            return
    start = 0
    while good:
        if good & 1:
            yield start
        good >>= 1
        start += 1


def _fits(offset: int, halve: bool, grouped: bool, max_weight_bits: int) -> bool:
    """Whether the hardware's coefficient, or its zero field, holds the offset."""
    if not grouped:
        return abs(offset) <= 1 << max_weight_bits
    if halve and offset % 2 == 0:
        return False
    field = (offset - 1) // 2 if halve else offset
    return -(1 << max_weight_bits - 1) <= field < 1 << max_weight_bits - 1
