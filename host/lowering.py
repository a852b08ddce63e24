"""Codes re-encoded as planes of the digits that a processing element has.

Whatever a code stands for, the accelerator sees

    value = (sum_p s_p 2**e_p d_p + offset) >> halve

with digits d_p from the element's own alphabet (`lutra.hw.digits`). Every digit depends on the code
alone, so a lowering is one small table per plane, and packing looks digits up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hw.config import Config
from .errors import UnsupportedFormatError
from .quantized_matrix import QuantizedMatrix

__all__ = ["Lowering", "lower"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Lowering:
    """Planes of digits that the codes of a matrix become.

    Attributes
    ----------
    digits : ndarray of int8, shape ``[planes, 2**bits]``
        Digit of each code; the most significant plane first.
    exponents : tuple of int
        Falling, the last 0.
    negatives : tuple of bool
    offset : int
    halve : bool
    """

    digits: np.ndarray
    exponents: tuple[int, ...]
    negatives: tuple[bool, ...]
    offset: int
    halve: bool

    @property
    def shifts(self) -> tuple[int, ...]:
        """Left shift of the accumulator before each plane, as in PLANES."""
        before = (self.exponents[0], *self.exponents[:-1])
        return tuple(b - e for b, e in zip(before, self.exponents, strict=True))

    @property
    def magnitude(self) -> int:
        """Sum of the planes' places: what `Config.max_magnitude` limits."""
        return sum(1 << exponent for exponent in self.exponents)

    def coefficient(self, zero_point: int) -> int:
        """Factor of ``sum x`` that takes a zero point off: c of docs/architecture.md."""
        return self.offset - (zero_point << self.halve)

    def zero_field(self, zero_points: np.ndarray) -> np.ndarray:
        """The same as a field of the group parameters: ``c = 2 z + 1`` if `halve`, else ``c = z``.

        Raises
        ------
        UnsupportedFormatError
            Halved planes with an even offset have no such field.
        """
        zero_points = np.asarray(zero_points, np.int64)
        if not self.halve:
            return self.offset - zero_points
        if self.offset % 2 == 0:
            raise UnsupportedFormatError("halved planes with group parameters need an odd offset")
        return (self.offset - 1) // 2 - zero_points


def lower(weights: QuantizedMatrix, config: Config) -> Lowering:
    """The planes of `weights` on `config`.

    - Digits -1 and +1 (`lut`, `bitserial`, `add`): the planes of the matrix itself.
    - Trits (`lut3`): ``value - offset`` as sign and magnitude, a trit for every bit of the
      magnitude, where that takes fewer planes than bits do: one for ternary weights, seven for
      -127 .. 127.
    - Integers of b bits (`mac`, `shiftadd`): ``value - offset`` to the base ``2**b`` with balanced
      digits ``-2**(b-1) .. 2**(b-1) - 1``; n of them hold ``2**(n b)`` successive values.

    The offset of the latter two is chosen so that all codes that occur fit, next to the zero
    point where that is one for all.

    Raises
    ------
    UnsupportedFormatError
        The values need more planes than the configuration was built for.
    """
    bits = _bit_planes(weights)
    if config.digit_bits > 1:
        return _balanced(weights, config)
    if config.pe == "lut3":
        trits = _trits(weights, config)
        if trits is not None and len(trits.exponents) < len(bits.exponents):
            return trits
    return bits


def _bit_planes(weights: QuantizedMatrix) -> Lowering:
    code = np.arange(1 << weights.bits)
    digits = [2 * (code >> plane.bit & 1) - 1 for plane in weights.planes]
    return Lowering(
        digits=np.array(digits, np.int8),
        exponents=tuple(plane.exponent for plane in weights.planes),
        negatives=tuple(plane.negative for plane in weights.planes),
        offset=weights.offset,
        halve=weights.halve,
    )


def _trits(weights: QuantizedMatrix, config: Config) -> Lowering | None:
    """Fewest planes of trits, None where their zero points do not fit the hardware's fields."""
    values, low, high = _occurring(weights)
    planes = max(1, ((high - low + 1) // 2).bit_length())
    reach = (1 << planes) - 1
    offset = _choose_offset(weights, high - reach, low + reach)
    zeros = np.asarray(0 if weights.zero_points is None else weights.zero_points, np.int64)
    limit = 1 << (config.zero_bits or config.max_weight_bits) >> 1
    if int((offset - zeros).min()) < -limit or int((offset - zeros).max()) >= limit:
        return None
    rest = values - offset
    exponents = range(planes - 1, -1, -1)
    digits = [np.sign(rest) * (np.abs(rest) >> e & 1) for e in exponents]
    return Lowering(
        digits=np.array(digits, np.int8),
        exponents=tuple(exponents),
        negatives=(False,) * planes,
        offset=offset,
        halve=False,
    )


def _balanced(weights: QuantizedMatrix, config: Config) -> Lowering:
    values, low, high = _occurring(weights)
    width, half = config.digit_bits, config.digit_max
    planes = 1
    while (1 << planes * width) <= high - low:
        planes += 1
    ones = ((1 << planes * width) - 1) // ((1 << width) - 1)
    offset = _choose_offset(weights, high - (half - 1) * ones, low + half * ones)
    rest = values - offset + half * ones  # not negative: the digits of this, less `half`
    exponents = range((planes - 1) * width, -1, -width)
    digits = [(rest >> e & (1 << width) - 1) - half for e in exponents]
    return Lowering(
        digits=np.array(digits, np.int8),
        exponents=tuple(exponents),
        negatives=(False,) * planes,
        offset=offset,
        halve=False,
    )


def _occurring(weights: QuantizedMatrix) -> tuple[np.ndarray, int, int]:
    """Value of each code, clipped to the range of those that occur, and that range."""
    values = weights.code_values
    present = weights.present()
    low, high = int(values[present].min()), int(values[present].max())
    return np.clip(values, low, high), low, high


def _choose_offset(weights: QuantizedMatrix, least: int, most: int) -> int:
    """The offset in ``[least, most]`` closest to the zero point, or to the middle of several."""
    zeros = weights.zero_points
    if zeros is None:
        wanted = 0
    elif isinstance(zeros, int):
        wanted = zeros
    else:
        wanted = (int(zeros.min()) + int(zeros.max())) // 2
    return min(max(wanted, least), most)
