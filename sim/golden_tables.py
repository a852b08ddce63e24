"""The product table by table: every intermediate value that the hardware computes.

Where `lutra.sim.golden` says what the result is, this says how the array gets there, so that a
block of hardware can be compared at its own edges. Nothing here is taken from the host's packing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hw.config import Config
from ..hw.digits import digit_range
from ..hw.table import build_table, encode_groups, lookup
from ..hw.table_quantiser import quantise_entries, table_shift
from .quantised_tables import table_digits

__all__ = ["Trace", "golden_tables"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Intermediate values of one product; all arrays int64.

    Attributes
    ----------
    x : ndarray, shape ``[row blocks, K blocks, rows, k_block]``
        Activations, padded with zeros.
    digits : ndarray, shape ``[K blocks, N blocks, planes, lanes, k_block]``
        Digits, padded with the smallest.
    tables : ndarray, shape ``[row blocks, K blocks, rows, tables, entries]``
        As they are stored; empty for elements without tables.
    sums : ndarray, shape ``[row blocks, K blocks, N blocks, planes, rows, lanes]``
        Plane sums as they enter the accumulator, signs applied.
    acc : ndarray, like `sums`
        The accumulator after each plane.
    sum_x : ndarray, shape ``[row blocks, K blocks, rows]``
    value, scaled : ndarray, shape ``[row blocks, K blocks, N blocks, rows, lanes]``
        After zero point and halving, and after group scale and exponent.
    psum : ndarray, like `value`
        The partial sum after each K block.
    """

    x: np.ndarray
    digits: np.ndarray
    tables: np.ndarray
    sums: np.ndarray
    acc: np.ndarray
    sum_x: np.ndarray
    value: np.ndarray
    scaled: np.ndarray
    psum: np.ndarray

    def result(self, m: int, n: int) -> np.ndarray:
        """The product ``[M, N]``."""
        last = self.psum[:, -1].transpose(0, 2, 1, 3)
        return last.reshape(last.shape[0] * last.shape[1], -1)[:m, :n]


def golden_tables(
    config: Config,
    x: np.ndarray,
    digits: np.ndarray,
    *,
    shifts: list[int],
    negatives: list[bool] | None = None,
    halve: bool = False,
    coefficient: int = 0,
    group_size: int | None = None,
    zero_fields: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    act_planes: int | None = None,
    exponents: np.ndarray | None = None,
) -> Trace:
    """Emulate the array on ``X @ W.T``.

    Parameters
    ----------
    config : Config
    x : ndarray of integers, shape ``[M, K]``
    digits : ndarray of integers, shape ``[planes, N, K]``
        In `hw.digits.digit_range`, most significant plane first.
    shifts, negatives : list
        Shift before, and sign of, each plane, as in PLANES.
    halve, coefficient
        As in PLANES.
    group_size : int, optional
        Inputs of one quantisation group; each is padded to whole K blocks.
    zero_fields, scales : ndarray of integers, shape ``[N, groups]``, optional
        Group parameters as they are stored; both or neither.
    act_planes : int, optional
        For `bitserial`: activation bits processed; `Config.act_bits` by default.
    exponents : ndarray of integers, shape ``[M, K blocks]``, optional
        Of each row and K block, for configurations with `act_exponent_bits`.

    Returns
    -------
    Trace

    Raises
    ------
    OverflowError
        A value does not fit the width that `Config` derives for it. No legal program does that;
        the check is that the widths are right.
    """
    c, k = config, x.shape[1]
    size = min(group_size or k, k)
    groups = -(-k // size)
    columns = [_pad(np.arange(g, min(g + size, k)), c.k_block) for g in range(0, k, size)]
    group_of = np.concatenate([np.full(len(col) // c.k_block, g) for g, col in enumerate(columns)])
    source = np.concatenate(columns)  # -1 where an input is padding

    xs = np.where(source < 0, 0, x.astype(np.int64)[:, source])
    xs = _pad_rows(xs, c.rows).reshape(-1, c.rows, len(group_of), c.k_block).transpose(0, 2, 1, 3)
    planes, n = digits.shape[:2]
    ds = np.where(source < 0, digit_range(c)[0], digits[:, :, source].astype(np.int64))
    ds = _pad_rows(ds.transpose(1, 0, 2), c.lanes)
    ds = ds.reshape(-1, c.lanes, planes, len(group_of), c.k_block).transpose(3, 0, 2, 1, 4)

    tables = np.zeros(0, np.int64)
    if c.pe in ("lut", "lut3"):
        tables = _tables(c, _groups(c, xs))
        _fits("entry_bits", tables, c.entry_bits)
        if c.table_bits:
            tables = quantise_entries(tables, table_shift(xs, c), c)
            _fits("stored_entry_bits", tables, c.stored_entry_bits)
        sums = _table_sums(c, tables, ds)
    elif c.pe == "bitserial":
        sums = _serial_sums(xs, ds > 0, c.act_bits if act_planes is None else act_planes)
    else:
        sums = np.einsum("akrx,knplx->aknprl", xs, ds)
    _fits("sum_bits", sums, c.sum_bits)

    acc = np.zeros_like(sums)
    for p, shift in enumerate(shifts):
        sign = -1 if negatives and negatives[p] else 1
        before = acc[:, :, :, p - 1] << shift if p else 0
        acc[:, :, :, p] = before + sign * sums[:, :, :, p]
    _fits("acc_bits", acc, c.acc_bits)

    sum_x = _fits("sum_x_bits", xs.sum(-1), c.sum_x_bits)
    shift = table_shift(xs, c) if c.table_bits else np.zeros_like(sum_x)
    factor: np.ndarray | int = coefficient
    scale: np.ndarray | int = 1
    if zero_fields is not None and scales is not None:
        _check_groups(zero_fields, scales, (n, groups))
        fields = _per_block(zero_fields, c.lanes, group_of)
        factor = 2 * fields + 1 if halve else fields
        scale = _per_block(scales, c.lanes, group_of)
    value = (acc[:, :, :, -1] << shift[:, :, None, :, None]) + factor * sum_x[:, :, None, :, None]
    value = _fits("value_bits", value, c.value_bits) >> int(halve)
    scaled = value * scale
    if exponents is not None:
        per_row = _pad_rows(exponents.astype(np.int64), c.rows)
        scaled <<= per_row.reshape(-1, c.rows, len(group_of)).transpose(0, 2, 1)[
            :, :, None, :, None
        ]
    _fits("scaled_bits", scaled, c.scaled_bits)
    psum = _fits("psum_bits", np.cumsum(scaled, axis=1), c.psum_bits)
    return Trace(
        x=xs, digits=ds, tables=tables, sums=sums, acc=acc, sum_x=sum_x,
        value=value, scaled=scaled, psum=psum,
    )  # fmt: skip


def _groups(c: Config, values: np.ndarray) -> np.ndarray:
    """The last axis, a K block, as ``[tables, L]``."""
    if c.table_feed == "stream":
        return values.reshape(*values.shape[:-1], c.lookup_group, c.tables).swapaxes(-1, -2)
    return values.reshape(*values.shape[:-1], c.tables, c.lookup_group)


def _tables(c: Config, groups: np.ndarray) -> np.ndarray:
    """Tables of activations ``[..., tables, L]``: ``[..., tables, entries]``."""
    if c.pe == "lut" and c.table_form == "half":
        return build_table(groups)
    return groups @ table_digits(c).T


def _table_sums(c: Config, tables: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Every lookup and every tree: ``[row blocks, K blocks, N blocks, planes, rows, lanes]``."""
    groups = _groups(c, digits)
    # Tables [rb, kb, 1, 1, rows, 1, U, entries] meet weights [kb, nb, planes, 1, lanes, U].
    tables = tables[:, :, None, None, :, None]
    if c.pe == "lut" and c.table_form == "half":
        index, sign = encode_groups((groups > 0).astype(np.uint8))
        return lookup(tables, index[..., None, :, :], sign[..., None, :, :])
    entries = table_digits(c)
    both = np.concatenate([entries, -entries]) if c.table_form == "half" else entries
    at = (groups[..., None, :] == both).all(-1).argmax(-1)[..., None, :, :]
    index, negative = at % len(entries), at >= len(entries)
    lead = np.broadcast_shapes(tables.shape[:-1], index.shape)
    found = np.take_along_axis(
        np.broadcast_to(tables, lead + tables.shape[-1:]),
        np.broadcast_to(index, lead)[..., None],
        -1,
    )[..., 0]
    return np.where(negative, -found, found).sum(-1)


def _serial_sums(xs: np.ndarray, ones: np.ndarray, act_planes: int) -> np.ndarray:
    """Popcounts of every activation plane, by Horner's rule from the sign plane down."""
    w = ones[:, :, :, None].astype(np.int64)  # [kb, nb, planes, 1, lanes, k_block]
    total = np.int64(0)
    for j in reversed(range(act_planes)):
        plane = xs[:, :, None, None, :, None] >> j & 1  # [rb, kb, 1, 1, rows, 1, k_block]
        term = 2 * (plane & w).sum(-1) - plane.sum(-1)
        total = -term if j == act_planes - 1 else 2 * total + term
    return np.asarray(total)


def _per_block(grid: np.ndarray, lanes: int, group_of: np.ndarray) -> np.ndarray:
    """``[N, groups]`` as ``[K blocks, N blocks, 1, lanes]``."""
    padded = _pad_rows(grid.astype(np.int64), lanes)
    return padded[:, group_of].T.reshape(len(group_of), -1, 1, lanes)


def _pad(columns: np.ndarray, multiple: int) -> np.ndarray:
    return np.concatenate([columns, np.full(-len(columns) % multiple, -1)])


def _pad_rows(array: np.ndarray, multiple: int) -> np.ndarray:
    missing = -len(array) % multiple
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def _check_groups(zeros: np.ndarray, scales: np.ndarray, shape: tuple[int, int]) -> None:
    for name, grid in (("zero_fields", zeros), ("scales", scales)):
        if grid.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, not {grid.shape}")


def _fits(name: str, values: np.ndarray, bits: int) -> np.ndarray:
    """`values` as they are, if `bits` hold them."""
    limit = 1 << bits - 1
    if values.size and (int(values.min()) < -limit or int(values.max()) >= limit):
        worst = max(abs(int(values.min())), abs(int(values.max())))
        raise OverflowError(f"{name} of {bits} does not hold {worst}")
    return values
