"""Outlier columns in wide weights, merged in the partial sums of one low-bit product."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError
from ..quantized_matrix import QuantizedMatrix
from .composite import CompositeMatrix, Part
from .encoded import Encoded, compare
from .nearest import per_input

__all__ = ["quantize_with_outliers", "with_outliers"]

#: Multiples of this many inputs are tried as group size where the dense part has no groups.
_GROUP_STEP = 32


class _Digits(NamedTuple):
    """Digits that a dense matrix's planes represent: ``value = sum_i base**i (d_i - less_i)``."""

    base: int
    less: tuple[int, ...]
    codes: np.ndarray  # of the digits 0 .. base - 1
    zeros: tuple[int, ...]  # zero points that take `less` off


def with_outliers(
    dense: QuantizedMatrix,
    columns: np.ndarray,
    values: np.ndarray,
    *,
    scale: int = 1,
    group_size: int | None = None,
) -> CompositeMatrix:
    """``W = dense``, plus ``scale * values`` in the given columns: one product, merged exactly.

    A wide integer is a sum of digits of the dense matrix's own code book, ``v = sum_i R**i d_i``.
    The outlier columns stand behind the dense ones along K, once for every digit, with group scales
    ``scale * R**i``; their activations are those of the columns, gathered by the host. So
    LLM.int8's mixed decomposition (Dettmers et al., NeurIPS 2022, arXiv:2208.07339) and SpQR's
    outliers in their columns (Dettmers et al., ICLR 2024, arXiv:2306.03078) run in the same
    program, through the same partial sums, at the cost of a wide product for these columns alone.

    Where the outliers replace weights rather than add to them, `dense` holds zeros there.

    Parameters
    ----------
    dense : QuantizedMatrix
        Any code book with at least two successive integers (-1 and 1 have none between them).
    columns : ndarray of integers, shape ``[C]``
        Inputs, each once.
    values : ndarray of integers, shape ``[N, C]``
        Of any width: -127 .. 127 takes four digits of a two-bit code, ternary ones included, and
        a largest group scale of ``64 * scale``.
    scale : int
        Weight of 1 in `values` beside an integer 1 of `dense`, at least 1. Where dense weights are
        coarser than the outliers, they have group scales.
    group_size : int, optional
        Of the result, where `dense` has no groups: a multiple of the hardware's K block wastes
        least. By default the one that costs the fewest bits.

    Returns
    -------
    CompositeMatrix
        One part.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    UnsupportedFormatError
        The code book of `dense` has no two successive integers.
    """
    columns, values = np.asarray(columns), np.asarray(values)
    n, k = dense.shape
    _check(columns, values, n, k, scale)
    digits = _digits(dense, int(values.min()), int(values.max()))
    if dense.groups > 1 and group_size not in (None, dense.group_width):
        raise RangeError(f"group_size must be that of dense, {dense.group_width}")
    width = dense.group_width
    if dense.groups == 1:
        width = group_size or _cheapest_group(dense, len(columns), len(digits.less))
    inner, outer = -(-k // width) * width, -(-len(columns) // width) * width
    count = len(digits.less)

    codes = np.zeros((n, inner + count * outer), np.uint8)
    codes[:, :k] = dense.codes
    gathered = np.full(inner + count * outer, -1, np.int64)
    gathered[:k] = np.arange(k)
    rest = values.astype(np.int64) + sum(a * digits.base**i for i, a in enumerate(digits.less))
    zeros = [_grid(dense.zero_points, 0, dense, inner // width)]
    scales = [_grid(dense.group_scales, 1, dense, inner // width)]
    for i, zero in enumerate(digits.zeros):
        at = inner + i * outer
        codes[:, at : at + len(columns)] = digits.codes[rest % digits.base]
        gathered[at : at + len(columns)] = columns
        rest //= digits.base
        shape = (n, outer // width)
        zeros.append(np.full(shape, zero))
        scales.append(np.full(shape, scale * digits.base**i))
    matrix = QuantizedMatrix(
        codes=codes,
        bits=dense.bits,
        planes=dense.planes,
        offset=dense.offset,
        halve=dense.halve,
        group_size=width,
        zero_points=np.concatenate(zeros, axis=1),
        group_scales=np.concatenate(scales, axis=1),
        row_scales=dense.row_scales,
    )
    return CompositeMatrix(dense.shape, [Part(matrix=matrix, columns=gathered)])


def quantize_with_outliers(
    weights: np.ndarray, bits: int, columns: np.ndarray | int, *, group_size: int | None = None
) -> Encoded[CompositeMatrix]:
    """Symmetric codes of few bits, and eight bits for some columns.

    Per output, the outlier columns have the unit ``u = max(max |w_out| / 127, s / 255)``, s the
    scale of the other columns by round-to-nearest; these others have the smallest multiple of u
    that is at least s as their group scale.

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    bits : int
        Of the dense part, 2 to 7.
    columns : ndarray of integers, or int
        The outlier columns, for example those whose activations are large (LLM.int8 takes all
        above 6); or how many: those with the largest ``max |w|`` are taken.
    group_size : int, optional
        As in `with_outliers`.
    """
    w = np.asarray(weights)
    if not np.issubdtype(w.dtype, np.floating):
        raise DtypeError(f"weights must be a float array, not {w.dtype}")
    if w.ndim != 2 or w.shape[1] < 2 or not len(w):
        raise ShapeError(f"weights must have shape [N, K], K at least 2, not {w.shape}")
    if not 2 <= bits <= 7:
        raise RangeError(f"bits must be from 2 to 7, not {bits}")
    w = w.astype(np.float64)
    if isinstance(columns, int):
        if not 1 <= columns < w.shape[1]:
            raise RangeError(f"columns must be from 1 to {w.shape[1] - 1}, not {columns}")
        columns = np.sort(np.argsort(-np.abs(w).max(0), kind="stable")[:columns])
    rest = w.copy()
    rest[:, columns] = 0
    middle = 1 << bits - 1
    scale = np.maximum(rest.max(1) / (middle - 1), -rest.min(1) / middle)
    unit = np.maximum(np.abs(w[:, columns]).max(1) / 127, scale / 255)
    unit = np.maximum(unit, 1e-30).astype(np.float32).astype(np.float64)
    multiple = np.clip(np.ceil(scale / unit), 1, 255).astype(np.int64)
    codes = np.rint(rest / (multiple * unit)[:, None]) + middle
    dense = QuantizedMatrix.from_codes(
        np.clip(codes, 0, 2 * middle - 1).astype(np.uint8),
        bits,
        group_scales=multiple[:, None],
        row_scales=unit.astype(np.float32),
    )
    values = np.clip(np.rint(w[:, columns] / unit[:, None]), -127, 127).astype(np.int64)
    return compare(with_outliers(dense, columns, values, group_size=group_size), w)


def _digits(dense: QuantizedMatrix, low: int, high: int) -> _Digits:
    """Fewest digits of the longest run of successive values that hold ``low .. high``."""
    values, first = np.unique(dense.code_values, return_index=True)
    breaks = np.flatnonzero(np.diff(values) != 1)
    starts, ends = np.append(0, breaks + 1), np.append(breaks, len(values) - 1)
    longest = int(np.argmax(ends - starts))
    start, base = int(values[starts[longest]]), int(ends[longest] - starts[longest]) + 1
    if base < 2:
        raise UnsupportedFormatError("outliers need a code book with two successive integers")
    # The zero point start + less has to be one: from 0 to 2**bits - 1.
    least, most = max(0, -start), min(base - 1, (1 << dense.bits) - 1 - start)
    count = 1
    while base**count <= high - low or base**count <= max(-low, high):
        count += 1
    while count <= 32:
        for total in range(max(-low, 0), base**count - max(high, 0)):
            less = tuple(total // base**i % base for i in range(count))
            if all(least <= a <= most for a in less):
                codes = first[starts[longest] : ends[longest] + 1].astype(np.uint8)
                return _Digits(base, less, codes, tuple(start + a for a in less))
        count += 1
    raise UnsupportedFormatError(f"no zero points put the digits of {base} values around 0")


def _cheapest_group(dense: QuantizedMatrix, columns: int, digits: int) -> int:
    """Group size of the fewest bits: plane bits of all inputs, 16 bits a group."""
    k, planes = dense.shape[1], len(dense.planes)

    def cost(width: int) -> float:
        padded = -(-k // width) * width + digits * -(-columns // width) * width
        return padded * (planes + 16 / width)

    most = -(-k // _GROUP_STEP) * _GROUP_STEP
    return min(range(_GROUP_STEP, most + 1, _GROUP_STEP), key=cost)


def _grid(
    given: np.ndarray | int | None, missing: int, dense: QuantizedMatrix, groups: int
) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return given if given.shape[1] == groups else per_input(given, None, groups)
    return np.full((dense.rows, groups), missing if given is None else given)


def _check(columns: np.ndarray, values: np.ndarray, n: int, k: int, scale: int) -> None:
    for name, array in (("columns", columns), ("values", values)):
        if not np.issubdtype(array.dtype, np.integer):
            raise DtypeError(f"{name} must be integers, not {array.dtype}")
    if columns.ndim != 1 or not len(columns):
        raise ShapeError(f"columns must have shape [C], C at least 1, not {columns.shape}")
    if values.shape != (n, len(columns)):
        raise ShapeError(f"values must have shape {(n, len(columns))}, not {values.shape}")
    if int(columns.min()) < 0 or int(columns.max()) >= k:
        raise RangeError(f"columns must be from 0 to {k - 1}")
    if len(np.unique(columns)) != len(columns):
        raise RangeError("columns must name each input once")
    if scale < 1:
        raise RangeError(f"scale must be at least 1, not {scale}")
