"""The configuration of one accelerator and every width that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["PROCESSING_ELEMENTS", "TABLE_STORAGES", "Config", "ConfigError", "bits_for"]

#: Processing elements behind the common seam (`hw.processing_element`).
PROCESSING_ELEMENTS = ("lut", "lut3", "bitserial", "add", "mac", "shiftadd")

#: How the tables of the `lut` element are stored.
TABLE_STORAGES = ("registers",)


class ConfigError(ValueError):
    """A configuration that no hardware can be built from; the text names field and constraint."""


def bits_for(values: int) -> int:
    """Number of address bits that tell `values` things apart: ``ceil(log2(values))``."""
    return max(values - 1, 0).bit_length()


@dataclass(frozen=True, kw_only=True)
class Config:
    """One accelerator, as the generator builds it.

    The product computed is ``Y[M, N] = X[M, K] @ W[N, K].T``; `rows`, `lanes`, `tables` and
    `lookup_group` are the extents of the array in M, N and (together) K that one cycle covers.

    Parameters
    ----------
    name : str
        Free text; not part of the hardware, not part of the hash.
    pe : {"lut", "lut3", "bitserial", "add", "mac", "shiftadd"}
        Processing element.
    weight_bits : int
        Nominal width of the weights, 1 to 8: what benchmarks and examples use, and the width of
        the digits of `mac` and `shiftadd`. The hardware runs every width from 1 to
        `max_weight_bits`.
    act_bits : int
        Width of one stored activation (two's complement), 2 to 16.
    rows, lanes, tables, lookup_group : int
        The array's shape: activation rows M, output lanes N, tables per row U, and activations
        per table L. ``tables * lookup_group`` inputs make one K block.
    max_weight_bits : int
        Widest weight the accumulators are sized for: the magnitudes of all planes of a
        program must not add up to more than ``2**max_weight_bits - 1``.
    max_shift : int
        Largest left shift between two successive planes, 1 to 7.
    scale_bits : int
        Width of the unsigned group scale inside the accelerator; 0 builds no multiplier.
    psum_bits : int
        Width of one partial sum.
    axi_bits, addr_bits : int
        Data and address width of the memory port.
    act_depth, weight_depth, scale_depth, psum_depth : int
        Depths of the on-chip buffers in words, powers of two.
    act_exponent_bits : int
        Width of the exponent that each row of a K block carries (block-scaled activations): the
        block's contribution is shifted left by it. 0 for plain integers, at most 5.
    table_bits : int
        Width of a stored table entry where tables are quantised, 4 to the exact width; 0 stores
        them exactly. See `hw.table_quantiser`.
    table_storage : {"registers"}
        How tables are stored.
    tree_pipeline : int
        Adder levels between two registers of the adder tree; 0 registers its root only.

    Raises
    ------
    TypeError
        A field has the wrong type.
    ConfigError
        A field, or a combination of fields, is outside what can be built.
    """

    name: str = "custom"
    pe: str = "lut"
    weight_bits: int = 2
    act_bits: int = 8
    rows: int = 1
    lanes: int = 16
    tables: int = 8
    lookup_group: int = 4
    max_weight_bits: int = 8
    max_shift: int = 3
    scale_bits: int = 8
    psum_bits: int = 32
    axi_bits: int = 512
    addr_bits: int = 32
    act_depth: int = 512
    weight_depth: int = 1024
    scale_depth: int = 512
    psum_depth: int = 1024
    act_exponent_bits: int = 0
    table_bits: int = 0
    table_storage: str = "registers"
    tree_pipeline: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), str if field.type == "str" else int
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise TypeError(f"{field.name} must be {wanted.__name__}, not {value!r}")
        self._check("pe", self.pe in PROCESSING_ELEMENTS, f"one of {PROCESSING_ELEMENTS}")
        self._check(
            "table_storage", self.table_storage in TABLE_STORAGES, f"one of {TABLE_STORAGES}"
        )
        self._within("max_weight_bits", 1, 8)
        self._within("weight_bits", 1, self.max_weight_bits)
        self._within("act_bits", 2, 16)
        self._within("rows", 1, 64)
        self._within("lanes", 1, 1024)
        self._within("tables", 1, 256)
        if self.pe == "lut3":
            self._check("lookup_group", self.lookup_group == 3, "3 for pe = 'lut3'")
        self._within("lookup_group", 2 if self.pe == "lut" else 1, 6)
        several = self.digit_bits < self.max_weight_bits  # more than one digit a weight
        self._within("max_shift", self.digit_bits if several else 1, 7)
        self._within("scale_bits", 0, 16)
        self._within("addr_bits", 12, 40)
        self._within("act_exponent_bits", 0, 5)
        if self.table_bits:
            self._check("table_bits", self.pe in ("lut", "lut3"), f"0 for pe = {self.pe!r}")
            self._within("table_bits", 4, self.entry_bits)
        self._within("tree_pipeline", 0, 8)
        self._within("psum_bits", 8, 64)
        self._check(
            "axi_bits", self.axi_bits in (32, 64, 128, 256, 512, 1024), "32, 64, ... or 1024"
        )
        for depth in ("act_depth", "weight_depth", "scale_depth", "psum_depth"):
            value = getattr(self, depth)
            self._check(depth, 16 <= value <= 16384 and value & (value - 1) == 0,
                        "a power of two from 16 to 16384")  # fmt: skip
        least = self.scaled_bits
        self._check("psum_bits", self.psum_bits >= least, f"at least {least} for these widths")
        for what in ("act", "scale"):
            share = self.words_per_row(getattr(self, f"{what}_word_bits"))
            self._check(f"{what}_depth", getattr(self, f"{what}_depth") >= share,
                        f"at least the {share} words of a bus beat")  # fmt: skip
        for what in ("weight", "psum"):
            word = getattr(self, f"{what}_word_bits")
            self._check("axi_bits", self.axi_bits <= word,
                        f"at most the {word} bits of a {what} word")  # fmt: skip

    def _check(self, name: str, good: bool, constraint: str) -> None:
        if not good:
            raise ConfigError(f"{name} must be {constraint}, not {getattr(self, name)!r}")

    def _within(self, name: str, low: int, high: int) -> None:
        self._check(name, low <= getattr(self, name) <= high, f"from {low} to {high}")

    # -- the array ---------------------------------------------------------------------------

    @property
    def k_block(self) -> int:
        """Inputs that one set of tables covers: ``tables * lookup_group``."""
        return self.tables * self.lookup_group

    @property
    def plane_macs_per_cycle(self) -> int:
        """One-digit MACs of a busy cycle (`bitserial` spends one cycle per activation bit)."""
        return self.rows * self.lanes * self.k_block

    @property
    def build_cycles(self) -> int:
        """Cycles in which the tables of one K block are built (see `hw.build_schedule`)."""
        if self.pe == "lut":
            return 2 ** (self.lookup_group - 1) + self.lookup_group - 1
        return 14 if self.pe == "lut3" else 1

    # -- digits: what one plane holds of a weight -------------------------------------------------

    @property
    def digit_bits(self) -> int:
        """Width of an integer digit (`mac`, `shiftadd`); 1 where digits are -1 and +1 or trits."""
        return self.weight_bits if self.pe in ("mac", "shiftadd") else 1

    @property
    def digit_max(self) -> int:
        """Largest magnitude of a digit: 1, or ``2**(digit_bits - 1)`` for integers."""
        return 1 << self.digit_bits - 1

    @property
    def index_bits(self) -> int:
        """Bits that address a table."""
        return 4 if self.pe == "lut3" else self.lookup_group - 1

    @property
    def field_bits(self) -> int:
        """Bits that a weight word holds per lane and lookup group."""
        return 5 if self.pe == "lut3" else self.lookup_group * self.digit_bits

    @property
    def max_magnitude(self) -> int:
        """Largest sum of the weights ``2**e`` of all planes of a program."""
        if self.digit_bits == 1:
            return 2**self.max_weight_bits - 1
        digits = -(-self.max_weight_bits // self.digit_bits)
        return ((1 << digits * self.digit_bits) - 1) // ((1 << self.digit_bits) - 1)

    @property
    def largest_weight(self) -> int:
        """Largest magnitude that the planes of one weight add up to."""
        return max(self.max_magnitude * self.digit_max, 2**self.max_weight_bits - 1)

    # -- widths ------------------------------------------------------------------------------

    @property
    def entry_bits(self) -> int:
        """Width of a table entry, a signed sum of `lookup_group` activations."""
        return self.act_bits + bits_for(self.lookup_group)

    @property
    def stored_entry_bits(self) -> int:
        """Width of a table entry as it is stored."""
        return self.table_bits or self.entry_bits

    @property
    def max_table_shift(self) -> int:
        """Most bits that quantising a table takes off its entries."""
        return self.entry_bits - self.stored_entry_bits

    @property
    def max_exponent(self) -> int:
        """Largest exponent of a row of a K block."""
        return (1 << self.act_exponent_bits) - 1

    @property
    def _block_max(self) -> int:
        """Largest magnitude S of the sum of a K block's activations."""
        return self.k_block << (self.act_bits - 1)

    @property
    def _plane_max(self) -> int:
        """Largest magnitude of a plane sum: ``S * digit_max``, or that of quantised entries."""
        if self.table_bits:
            return self.tables << (self.table_bits - 1)
        return self._block_max * self.digit_max

    @property
    def sum_x_bits(self) -> int:
        """Width of the sum of a K block's activations."""
        return self._block_max.bit_length() + 1

    @property
    def sum_bits(self) -> int:
        """Width of a plane sum over one K block."""
        return self._plane_max.bit_length() + 1

    @property
    def _acc_max(self) -> int:
        """Largest magnitude of the accumulated planes."""
        return self._plane_max // self.digit_max * self.largest_weight

    @property
    def acc_bits(self) -> int:
        """Width of the accumulated planes."""
        return self._acc_max.bit_length() + 1

    @property
    def coefficient_bits(self) -> int:
        """Width of the signed zero-point coefficient, ``|c| <= 2**max_weight_bits``."""
        return self.max_weight_bits + 2

    @property
    def value_bits(self) -> int:
        """Width of ``(acc << table shift) + c * sum_x``."""
        largest = (self._acc_max << self.max_table_shift) + (
            self._block_max << self.max_weight_bits
        )
        return largest.bit_length() + 1

    @property
    def scaled_bits(self) -> int:
        """Width of a K block's contribution to a partial sum, after group scale and exponent."""
        return self.value_bits + self.scale_bits + self.max_exponent

    @property
    def zero_bits(self) -> int:
        """Width of the signed zero-point field stored per (output, group)."""
        return self.max_weight_bits + (self.digit_bits > 1)

    @property
    def out_bits(self) -> int:
        """Width of one partial sum in memory: 32, or 64 where `psum_bits` is larger."""
        return 32 if self.psum_bits <= 32 else 64

    @property
    def requant_bits(self) -> int:
        """Width of one requantised output in memory: 8 or 16."""
        return self.act_elem_bits

    @property
    def act_elem_bits(self) -> int:
        """Width of one activation in memory: 8, or 16 where `act_bits` is larger."""
        return 8 if self.act_bits <= 8 else 16

    # -- words: what one buffer address holds, and how it lies in memory -------------------------

    @property
    def act_word_bits(self) -> int:
        """One activation word: ``[k_block][rows]`` elements, then ``[rows]`` exponents."""
        elements = self.k_block * self.rows * self.act_elem_bits
        return elements + (8 * self.rows if self.act_exponent_bits else 0)

    @property
    def weight_word_bits(self) -> int:
        """One weight word: one plane of ``[lanes][tables]`` fields of `field_bits`."""
        return self.lanes * self.tables * self.field_bits

    @property
    def scale_word_bits(self) -> int:
        """One group-parameter word: ``[lanes]`` of (scale, zero)."""
        return self.lanes * (self.scale_bits + self.zero_bits)

    @property
    def psum_word_bits(self) -> int:
        """One partial-sum word as memory sees it: ``[lanes][rows]`` of `out_bits`."""
        return self.lanes * self.rows * self.out_bits

    @property
    def requant_word_bits(self) -> int:
        """One requantised word as memory sees it: ``[lanes][rows]`` of `requant_bits`."""
        return self.lanes * self.rows * self.requant_bits

    def memory_word_bits(self, word_bits: int) -> int:
        """Bits that a word of `word_bits` takes in memory.

        A word of at least one bus beat takes whole beats; a smaller one takes the smallest
        ``axi_bits / 2**k`` that holds it, so that ``2**k`` words share a beat.
        """
        if word_bits >= self.axi_bits:
            return -(-word_bits // self.axi_bits) * self.axi_bits
        share = self.axi_bits
        while share // 2 >= word_bits and share // 2 >= 8:
            share //= 2
        return share

    def words_per_row(self, word_bits: int) -> int:
        """Words that share one bus beat (1 where a word takes one beat or more)."""
        return max(1, self.axi_bits // self.memory_word_bits(word_bits))

    def beats_per_row(self, word_bits: int) -> int:
        """Bus beats that make one word (1 where several words share a beat)."""
        return max(1, self.memory_word_bits(word_bits) // self.axi_bits)
