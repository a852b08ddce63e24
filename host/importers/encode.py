"""The file's float scales as the accelerator's integers, the error bounded and measured."""

from __future__ import annotations

from typing import NamedTuple

import ml_dtypes
import numpy as np

from ..formats.composite import CompositeMatrix, Part
from ..formats.scale_split import split_group_scales
from ..packed_codes import PackedCodes
from ..quantized_matrix import QuantizedMatrix
from .errors import DamagedFileError
from .grouped_codes import GroupedCodes
from .imported_tensor import ImportedTensor, row_slabs
from .integer_rows import BiasRows, CodeRows

__all__ = ["EncodedTensor", "encode"]


class EncodedTensor(NamedTuple):
    """A tensor as the accelerator has it, and how far it is from the file's own dequantisation.

    Attributes
    ----------
    matrix : QuantizedMatrix or CompositeMatrix
    max_error : float
        ``max |w' - w| / max |w|``, measured over every weight.
    rms_error : float
        ``sqrt(sum (w' - w)**2 / sum w**2)``.
    bound : float
        What `max_error` cannot exceed, from the scales alone; 0 where there is no error.
    """

    matrix: QuantizedMatrix | CompositeMatrix
    max_error: float
    rms_error: float
    bound: float


def encode(tensor: ImportedTensor, *, scale_bits: int = 8, exact: bool = False) -> EncodedTensor:
    """`tensor` in codes, integer zero points and two-level scales.

    Codes and integer zero points stay what they are; a group of negative scale has its codes and
    zero point complemented. Float group scales become unsigned integers of `scale_bits` times one
    float32 per row (`lutra.host.formats.group_scales`); rows with one scale, and rows whose scales
    are small multiples of a power of two, stay exact. Elsewhere a scale is off by at most half a
    unit u of the row, ``u <= max_g |s| / 2**(scale_bits - 1)``, and codes that are then nearer to
    another value are moved there, so that

        |w' - w| <= u/2 max(1, max |q - z|) + u_b/2 + r

    where r is what the file's own arithmetic rounds, 2**-23 of the largest weight and bias in
    float32.

    A bias per group (Q4_1, the minima of Q2_K, Q4_K and Q5_K, float zero points) becomes the next
    integer zero point, and what that leaves, less than a step, a second product with one plane, of
    unit u_b: no zero point is merely rounded.

    Parameters
    ----------
    tensor : ImportedTensor
    scale_bits : int
        As in the `Config` the matrix is for, 1 to 16.
    exact : bool
        Keep scales whole, up to 32 bits, and take a product for every `scale_bits` of them
        (`lutra.host.formats.scale_split`): only what float32 rounds in the file's own
        dequantisation is then left as error.

    Raises
    ------
    RangeError
        `scale_bits` is out of range; with `exact`, scales of a row span more than 32 bits.
    DamagedFileError
        A scale, zero point, bias or weight is not finite.
    """
    n, k = tensor.shape
    codes = PackedCodes(tensor.shape, tensor.bits)
    main = CodeRows(tensor.name, n, scale_bits=scale_bits, exact=exact)
    bias = BiasRows(tensor.name, n, scale_bits=scale_bits, exact=exact)
    columns, group_size = None, tensor.group_size
    worst = largest = bound = power = energy = rounding = 0.0
    for rows in row_slabs(n, k):
        read = tensor.read(rows)
        columns, group_size = read.columns, read.group_size
        taken, rest = main.take(rows, read)
        codes[rows] = taken
        bias.take(rows, rest)
        golden = read.dequantize().astype(np.float64)
        if not np.isfinite(golden).all():
            raise DamagedFileError(f"weights of tensor {tensor.name!r} must be finite")
        found = read.grouped(taken) - main.zeros(rows)
        found *= main.real_scales(rows)
        found += bias.values(rows)
        wrong = read.scattered(read.ungrouped(found)) - golden
        np.abs(golden, out=golden)
        worst = max(worst, float(np.abs(wrong).max()))
        largest = max(largest, float(golden.max()))
        power += float((wrong**2).sum())
        energy += float((golden**2).sum())
        bound = max(bound, float((main.bounds(rows) + bias.bounds(rows)).max()))
        rounding = max(rounding, _rounding(read, float(golden.max())))
    if worst:
        bound += rounding
    matrices = [main.matrix(codes, group_size)]
    if bias.used:
        matrices.append(bias.matrix(k, group_size))
    return EncodedTensor(
        _together(matrices, columns, scale_bits, exact),
        worst / largest if largest else 0.0,
        float(np.sqrt(power / energy)) if energy else 0.0,
        bound / largest if largest else 0.0,
    )


def _rounding(read: GroupedCodes, largest: float) -> float:
    """What the file's own dequantisation may have rounded: three operations and its type."""
    most = largest if read.biases is None else largest + float(np.abs(read.biases).max())
    unit = 0.0 if read.rounding is None else float(ml_dtypes.finfo(read.rounding).eps)
    tiny = 0.0 if read.rounding is None else float(ml_dtypes.finfo(read.rounding).tiny)
    return most * (2.0**-23 + unit / 2) + max(tiny * unit, 2.0**-149)


def _together(
    matrices: list[QuantizedMatrix], columns: np.ndarray | None, scale_bits: int, exact: bool
) -> QuantizedMatrix | CompositeMatrix:
    parts = [Part(matrix=matrix, columns=columns) for matrix in matrices]
    if exact:
        parts = [
            Part(matrix=digit.matrix, columns=columns, exponent=digit.exponent)
            for matrix in matrices
            for digit in split_group_scales(matrix, scale_bits=scale_bits).parts
        ]
    if len(parts) == 1 and columns is None and not parts[0].exponent:
        return parts[0].matrix
    return CompositeMatrix(matrices[0].shape, parts)
