"""What LOAD, LMMA and STORE do to the buffers, in NumPy: whole instructions at a time, exact."""

from __future__ import annotations

import numpy as np

from ..hw.config import Config
from ..hw.digits import decode_digits
from ..hw.isa import Buffer
from ..hw.requantise import requantise
from .quantised_tables import digit_columns, stored_tables

__all__ = ["Datapath", "PsumOverflow"]


class PsumOverflow(Exception):  # noqa: N818 (a result of an LMMA, not a failure of this code)
    """A partial sum left its range; the argument is the word it is in."""


class Datapath:
    """Buffers, processing element, accumulators and partial sums of one accelerator.

    Words are kept decoded: activations as elements ``[k_block][rows]``, weights as digits
    ``[lanes][k_block]``, group parameters as (scale, zero), partial sums as ``[rows][lanes]``.
    A weight word is decoded once, when it is loaded.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        self.acts = np.zeros((c.act_depth, c.k_block, c.rows), f"<i{c.act_elem_bits // 8}")
        self.exponents = np.zeros((c.act_depth, c.rows), np.uint8)
        self.weights = np.ones((c.weight_depth, c.lanes, c.k_block), np.int8)
        self.scales = np.zeros((c.scale_depth, c.lanes), np.int64)
        self.zeros = np.zeros((c.scale_depth, c.lanes), np.int64)
        self.psums = np.zeros((c.psum_depth, c.rows, c.lanes), np.int64)
        self.coefficients: list[int] = []
        self.halve, self.coefficient, self.act_planes = False, 0, 1
        # Every product of one K block is exact in floating point, which is what BLAS is fast at.
        self._float = np.float32 if c.acc_bits <= 24 else np.float64

    def set_planes(
        self, planes: list[tuple[int, bool]], *, halve: bool, coefficient: int, act_planes: int
    ) -> None:
        """PLANES: ``acc = (acc << shift) +- plane`` unrolled to one factor for each plane."""
        factors = []
        for i, (_, negative) in enumerate(planes):
            exponent = sum(shift for shift, _ in planes[i + 1 :])
            factors.append(-1 << exponent if negative else 1 << exponent)
        self.coefficients = factors
        self.halve, self.coefficient, self.act_planes = halve, coefficient, act_planes

    def load(self, buffer: Buffer, row: int, data: np.ndarray) -> None:
        """LOAD: `data` is uint8 ``[rows][bytes of a row]``; the weight buffer is a ring."""
        c = self._config
        if buffer == Buffer.ACT:
            words = self._words(data, c.act_word_bits, c.act_depth)
            first = row * c.words_per_row(c.act_word_bits)
            at, used = slice(first, first + len(words)), self.acts[0].nbytes
            elements = np.ascontiguousarray(words[:, :used]).view(self.acts.dtype)
            self.acts[at] = elements.reshape(-1, c.k_block, c.rows)
            if c.act_exponent_bits:
                self.exponents[at] = words[:, used:] & c.max_exponent
        elif buffer == Buffer.WEIGHT:
            words = self._words(data, c.weight_word_bits, c.weight_depth)
            bits = np.unpackbits(words, axis=1, count=c.weight_word_bits, bitorder="little")
            digits = decode_digits(bits, c)
            begin = row % c.weight_depth
            if begin + len(digits) <= c.weight_depth:
                self.weights[begin : begin + len(digits)] = digits
            else:
                self.weights[(begin + np.arange(len(digits))) % c.weight_depth] = digits
        else:
            words = self._words(data, c.scale_word_bits, c.scale_depth)
            width = c.scale_bits + c.zero_bits
            bits = np.unpackbits(words, axis=1, count=c.scale_word_bits, bitorder="little")
            fields = bits.reshape(len(words), c.lanes, width).astype(np.int64) << np.arange(width)
            first = row * c.words_per_row(c.scale_word_bits)
            at = slice(first, first + len(words))
            self.scales[at] = fields[..., : c.scale_bits].sum(-1) if c.scale_bits else 1
            zero = fields[..., c.scale_bits :].sum(-1) >> c.scale_bits
            sign = 1 << c.zero_bits >> 1  # 0 where there is no zero field
            self.zeros[at] = (zero ^ sign) - sign

    def multiply(self, f: dict[str, int]) -> None:
        """LMMA with fields `f`, whose ranges are good.

        Raises
        ------
        PsumOverflow
            At the first partial sum, in the order of the lookups, that leaves its range.
        """
        c = self._config
        kb, nb, rb, planes = f["k_blocks"], f["n_blocks"], f["rows"], len(self.coefficients)
        at = f["act_base"] + f["act_stride"] * np.arange(rb) + np.arange(kb)[:, None]
        x = self._activations(self.acts[at])  # [kb, rb, k_block, rows]
        x = x.transpose(0, 1, 3, 2).reshape(kb, rb * c.rows, c.k_block)

        # The planes' digits combined, one K block after the other: [kb, nb*lanes, columns].
        words = self._ring(f["weight_base"], kb * nb * planes)
        words = words.reshape(kb * nb, planes, c.lanes, c.k_block)
        operand, shift = x.astype(self._float), None
        if c.table_bits:
            operand, shift = stored_tables(x, c)
            operand = operand.astype(self._float)
        combined = 0
        for p, factor in enumerate(self.coefficients):
            digits = digit_columns(words[:, p], c) if c.table_bits else words[:, p]
            combined = combined + digits.astype(np.int16) * factor
        combined = np.asarray(combined).reshape(kb, nb * c.lanes, -1).astype(self._float)

        acc = (operand @ combined.transpose(0, 2, 1)).astype(np.int64)
        if shift is not None:
            acc <<= shift[..., None]
        values = acc.reshape(kb, rb, c.rows, nb, c.lanes)
        sum_x = x.sum(-1, dtype=np.int64).reshape(kb, rb, c.rows, 1, 1)
        if f["group"]:
            slot = slice(f["scale_base"], f["scale_base"] + nb)
            z = self.zeros[slot]
            values += (2 * z + 1 if self.halve else z) * sum_x
        elif self.coefficient:
            values += self.coefficient * sum_x
        if self.halve:
            values >>= 1
        if f["group"]:
            values *= self.scales[f["scale_base"] : f["scale_base"] + nb]
        if c.act_exponent_bits:
            values <<= self.exponents[at].astype(np.int64)[..., None, None]
        self._accumulate(values.transpose(0, 1, 3, 2, 4), f)

    def store(self, base: int, words: int, *, requantised: tuple[int, int] | None) -> np.ndarray:
        """STORE: the memory image of partial sums, as uint8; its end may be a partial beat."""
        c = self._config
        values = self.psums[base : base + words].transpose(0, 2, 1)
        if requantised is None:
            word_bits, element = c.psum_word_bits, f"<i{c.out_bits // 8}"
        else:
            multiplier, shift = requantised
            values = requantise(values, multiplier=multiplier, shift=shift, act_bits=c.act_bits)
            word_bits, element = c.requant_word_bits, f"<i{c.requant_bits // 8}"
        raw = np.ascontiguousarray(values, element).reshape(words, -1).view(np.uint8)
        image = np.zeros((words, c.memory_word_bits(word_bits) // 8), np.uint8)
        image[:, : raw.shape[1]] = raw
        return image.reshape(-1)

    def _words(self, data: np.ndarray, word_bits: int, depth: int) -> np.ndarray:
        """Words of whole buffer rows: uint8 ``[words][used bytes]``."""
        words = data.reshape(-1, self._config.memory_word_bits(word_bits) // 8)
        return words[:, : -(-word_bits // 8)]

    def _activations(self, elements: np.ndarray) -> np.ndarray:
        """Elements as the processing element sees them: their low bits, sign-extended."""
        c = self._config
        bits = self.act_planes if c.pe == "bitserial" else c.act_bits
        drop = c.act_elem_bits - bits
        return elements << drop >> drop if drop else elements

    def _ring(self, base: int, count: int) -> np.ndarray:
        depth = self._config.weight_depth
        base %= depth
        if base + count <= depth:
            return self.weights[base : base + count]
        return self.weights[(base + np.arange(count)) % depth]

    def _accumulate(self, values: np.ndarray, f: dict[str, int]) -> None:
        """Add values ``[kb, rb, nb, rows, lanes]`` to the partial sums, one K block at a time."""
        limit = 1 << self._config.psum_bits - 1
        at = f["psum_base"] + f["psum_stride"] * np.arange(f["rows"])[:, None]
        at = at + np.arange(f["n_blocks"])
        old = np.zeros_like(values[0]) if f["clear"] else self.psums[at]
        distinct = f["rows"] == 1 or f["psum_stride"] >= f["n_blocks"]
        largest = int(np.abs(old).max()) + int(np.abs(values).max()) * len(values)
        if distinct and largest < limit:
            self.psums[at] = old + values.sum(0)
            return
        # The lookups' own order: K block, row block, output block.
        for k, block in enumerate(values):
            for r, row in enumerate(block):
                before = 0 if f["clear"] and k == 0 else self.psums[at[r]]
                total = before + row
                wrong = ((total < -limit) | (total >= limit)).any((1, 2))
                if wrong.any():
                    raise PsumOverflow(int(at[r][wrong.argmax()]))
                self.psums[at[r]] = total
