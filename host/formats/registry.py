"""Every weight format, activation format and processing element, and what each one needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..activation_formats import BIPOLAR
from ..quantized_matrix import QuantizedMatrix
from .adaptive import AdaptiveMatrix
from .binary_coded import BinaryCoded, encode_binary
from .bitmod import TAGS, from_bitmod
from .codebook import from_bipolar, from_codebook, from_integers, from_ternary
from .codebook16 import IQ4_NL, from_nf4
from .float4 import from_e2m1, from_mxfp4, from_nvfp4
from .olive import from_olive
from .outliers import with_outliers

__all__ = ["ACTIVATIONS", "ELEMENTS", "WEIGHTS", "ActivationFormat", "WeightFormat"]


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """One weight format.

    Attributes
    ----------
    name : str
    bits : float
        Stored bits of a weight in the format itself, scales not counted.
    family : str
        Page in docs/formats, without its suffix.
    accuracy : str
        What re-encoding costs.
    make : callable
        A small matrix with every code of the format, and scales where it has any: what it needs
        of a configuration is found by laying it out.
    entry : str
        Function that makes matrices of the format.
    bitwise : bool
        Only sensible where planes are single bits: each costs a pass of its own.
    """

    name: str
    bits: float
    family: str
    accuracy: str
    make: Callable[[], QuantizedMatrix]
    entry: str
    bitwise: bool = False

    @property
    def planes(self) -> int:
        """Passes over the array for each weight, where digits are -1 and +1."""
        sample = self.make()
        return len(sample.planes) * sample.shape[1] // _K


@dataclass(frozen=True, kw_only=True)
class ActivationFormat:
    """One activation format, as the accelerator sees it: integers of `act_bits` or more.

    Attributes
    ----------
    name : str
    bits : int
        Stored bits of an activation in the format itself.
    act_bits : int
        Least `Config.act_bits`; for floating-point formats the narrowest useful mantissa.
    block_scaled : bool
        One exponent per row and K block: needs `Config.act_exponent_bits`.
    accuracy : str
    """

    name: str
    bits: int
    act_bits: int
    block_scaled: bool
    accuracy: str


#: Inputs of the samples: whole groups of every format.
_K = 256


def _codes(count: int) -> np.ndarray:
    return np.tile(np.arange(_K) % count, (2, 1)).astype(np.uint8)


def _signed(bits: int) -> QuantizedMatrix:
    half = 1 << bits - 1
    return from_integers(_codes(1 << bits).astype(np.int16) - half, bits)


def _unsigned(bits: int) -> QuantizedMatrix:
    return from_integers(_codes(1 << bits).astype(np.int16), bits, signed=False)


def _grouped(bits: int) -> QuantizedMatrix:
    grid = np.arange(2 * _K // 32).reshape(2, -1)
    return QuantizedMatrix.from_codes(
        _codes(1 << bits),
        bits,
        group_size=32,
        zero_points=grid % (1 << bits),
        group_scales=grid + 1,
    )


def _binary(powers: bool) -> QuantizedMatrix:
    bits = np.stack([_codes(2), _codes(4) >> 1])
    scales = np.array([[[1.0, 2.0]], [[0.25, 0.5]]] if powers else [[[0.9, 0.7]], [[0.3, 0.4]]])
    coded = BinaryCoded(
        bits=np.ascontiguousarray(bits),
        scales=np.repeat(scales.transpose(0, 2, 1), 8, axis=2),
        group_size=32,
    )
    return encode_binary(coded).matrix.parts[0].matrix


def _bitmod(bits: int) -> QuantizedMatrix:
    tags = np.arange(2 * len(TAGS)).reshape(2, -1) % len(TAGS)
    scales = np.full((2, len(TAGS)), 255)
    return from_bitmod(_codes(1 << bits), tags, bits, group_size=64, group_scales=scales)


def _olive() -> QuantizedMatrix:
    outliers = np.delete(np.arange(16), [0, 8])
    pairs = np.stack([np.full(_K // 2, 8), np.resize(outliers, _K // 2)], axis=1)
    pairs[::3] = (1, 7)
    return from_olive(np.tile(pairs.reshape(1, -1), (2, 1)).astype(np.uint8))


def _outliers() -> QuantizedMatrix:
    dense = QuantizedMatrix.from_codes(_codes(4), 2, group_scales=np.full((2, 1), 64))
    values = np.array([[-128, 127]] * 2)
    return with_outliers(dense, np.array([3, 9]), values).parts[0].matrix


def _blocks(width: int, code: int) -> np.ndarray:
    grid = np.full((2, _K // width), code, np.uint8)
    grid[:, ::2] += 7
    return grid


_EXACT = "exact"
_MODULE = "lutra.host.formats"


def _integers() -> list[WeightFormat]:
    formats = []
    for bits in range(1, 9):
        for name, make in (("int", _signed), ("uint", _unsigned)):
            formats.append(
                WeightFormat(name=f"{name}{bits}", bits=bits, family="integers", accuracy=_EXACT,
                             make=lambda make=make, bits=bits: make(bits),
                             entry=f"{_MODULE}.codebook.from_integers")
            )  # fmt: skip
        formats += [
            WeightFormat(name=f"bipolar{bits}", bits=bits, family="integers", accuracy=_EXACT,
                         make=lambda bits=bits: from_bipolar(_codes(1 << bits), bits),
                         entry=f"{_MODULE}.codebook.from_bipolar"),
            WeightFormat(name=f"group{bits}", bits=bits, family="integers", accuracy=_EXACT,
                         make=lambda bits=bits: _grouped(bits),
                         entry="lutra.host.quantized_matrix.QuantizedMatrix.from_codes"),
        ]  # fmt: skip
    return formats


def _formats() -> list[WeightFormat]:
    near = "exact where the scales of a row are near, else scales rounded"
    rounded = "scales rounded to integers"
    rows = (
        ("ternary", 1.58, "ternary", _EXACT,
         lambda: from_ternary(_codes(3).astype(np.int8) - 1), "codebook.from_ternary", False),
        ("bcq2-pot", 2, "binary-coded", near, lambda: _binary(True),
         "binary_coded.encode_binary", False),
        ("bcq2", 2, "binary-coded", rounded, lambda: _binary(False),
         "binary_coded.encode_binary", False),
        ("fp4", 4, "float4", _EXACT, lambda: from_e2m1(_codes(16)), "float4.from_e2m1", False),
        ("mxfp4", 4, "float4", near, lambda: from_mxfp4(_codes(16), _blocks(32, 120)).matrix,
         "float4.from_mxfp4", False),
        ("nvfp4", 4, "float4", near, lambda: from_nvfp4(_codes(16), _blocks(16, 48)).matrix,
         "float4.from_nvfp4", False),
        ("nf4", 4, "codebooks", "entries and scales rounded",
         lambda: from_nf4(_codes(16), _blocks(64, 1) / 8.0).matrix, "codebook16.from_nf4", False),
        ("iq4_nl", 4, "codebooks", rounded, lambda: from_codebook(_codes(16), IQ4_NL),
         "codebook.from_codebook", False),
        ("bitmod3", 3, "bitmod", _EXACT, lambda: _bitmod(3), "bitmod.from_bitmod", False),
        ("bitmod4", 4, "bitmod", _EXACT, lambda: _bitmod(4), "bitmod.from_bitmod", False),
        ("olive4", 4, "outliers", _EXACT, _olive, "olive.from_olive", False),
        ("outliers2+8", 2, "outliers", _EXACT, _outliers, "outliers.with_outliers", False),
        ("adaptive8", 8, "adaptive", "exact at eight planes, rounded to fewer",
         lambda: AdaptiveMatrix(_signed(8)).top(8), "adaptive.AdaptiveMatrix", True),
    )  # fmt: skip
    return [
        WeightFormat(name=name, bits=bits, family=family, accuracy=accuracy, make=make,
                     entry=f"{_MODULE}.{entry}", bitwise=bitwise)
        for name, bits, family, accuracy, make, entry, bitwise in rows
    ]  # fmt: skip


#: Weight formats by name.
WEIGHTS: dict[str, WeightFormat] = {f.name: f for f in (*_integers(), *_formats())}

#: Activation formats by name.
ACTIVATIONS: dict[str, ActivationFormat] = {
    name: ActivationFormat(
        name=name, bits=bits, act_bits=least, block_scaled=scaled, accuracy=accuracy
    )
    for name, bits, least, scaled, accuracy in (
        ("int4", 4, 4, False, _EXACT),
        ("int8", 8, 8, False, _EXACT),
        ("int16", 16, 16, False, _EXACT),
        ("uint8", 8, 8, False, _EXACT),
        *((name, bits, bits, False, _EXACT) for name, bits in BIPOLAR.items()),
        ("e4m3", 8, 8, True, "rounded to the block's exponent"),
        ("e5m2", 8, 8, True, "rounded to the block's exponent"),
        ("bf16", 16, 8, True, "rounded to the block's exponent"),
        ("fp16", 16, 8, True, "rounded to the block's exponent"),
    )
}

#: Processing elements (`lutra.hw.config.PROCESSING_ELEMENTS`), and what a plane holds of a weight.
ELEMENTS: dict[str, str] = {
    "lut": "table of signed sums; digits -1 and +1",
    "lut3": "table of ternary sums; trits",
    "bitserial": "AND and popcount, one activation bit a cycle; digits -1 and +1",
    "add": "selected adds and subtracts; digits -1 and +1",
    "mac": "multipliers of the weight's width; integer digits",
    "shiftadd": "shifts and adds; integer digits",
}
