"""Widths and extents that follow from a configuration's fields."""

from __future__ import annotations

__all__ = ["LUTRAM_DEPTHS", "Widths", "bits_for"]

#: Entries of one distributed memory, TRELLIS_DPR16X4 and RAM32M, and bits of each.
LUTRAM_DEPTHS = {"ecp5": 16, "xc7": 32}
LUTRAM_WIDTHS = {"ecp5": 4, "xc7": 6}


def bits_for(values: int) -> int:
    """Number of address bits that tell `values` things apart: ``ceil(log2(values))``."""
    return max(values - 1, 0).bit_length()


class Widths:
    """Everything derived of `hw.config.Config` but the layout of memory.

    A width holds the worst case of every program that the hardware does not refuse; the formulas
    are in docs/arithmetic.md.
    """

    # Fields of `hw.config.Config`, which inherits this.
    pe: str
    weight_bits: int
    act_bits: int
    rows: int
    lanes: int
    tables: int
    lookup_group: int
    max_weight_bits: int
    scale_bits: int
    psum_bits: int
    act_exponent_bits: int
    table_bits: int
    device: str
    table_storage: str
    table_banks: int
    table_form: str
    table_feed: str
    feed_rows: int
    group_zeros: int

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
    def built_rows(self) -> int:
        """Rows whose tables are built at once."""
        return self.feed_rows or self.rows

    @property
    def build_turns(self) -> int:
        """Turns in which the tables of all rows are built."""
        return self.rows // self.built_rows

    @property
    def build_steps(self) -> int:
        """Additions that fill one table (see `hw.build_schedule`)."""
        if self.pe == "lut":
            return 2**self.index_bits + self.lookup_group - 1
        if self.pe == "lut3":
            return 14 if self.table_form == "half" else 29
        return 1

    @property
    def build_cycles(self) -> int:
        """Cycles in which the tables of one K block are built, one between two turns."""
        return self.build_turns * (self.build_steps + 1) - 1

    @property
    def table_depth(self) -> int:
        """Entries of one table's memory: all banks, each a power of two."""
        return self.table_banks << self.index_bits

    @property
    def lookup_registers(self) -> int:
        """Cycles from a weight word to the read of its entries: 0, or 1 in front of memories."""
        return int(self.table_storage not in ("registers", "cells"))

    @property
    def operand_registers(self) -> int:
        """Registers in front of multipliers: 1 on a device, whose multipliers are blocks.

        Behind the output of a block memory, or a net to every lane, there is no time for them.
        """
        return int(self.device != "generic" and self.pe in ("mac", "shiftadd"))

    @property
    def parity_bits(self) -> int:
        """1 where the lowest bit of all entries of a table is stored once, 0 where in each.

        Signed sums of the same L activations are all even or all odd. In distributed memory the bit
        is left out where that saves memories; it takes a net to every lane.
        """
        if self.pe != "lut" or self.table_bits or self.table_storage == "registers":
            return 0
        wide = LUTRAM_WIDTHS.get(self.device) if self.table_storage == "lutram" else None
        if wide is None:
            return 1
        without, with_all = (self.built_rows * (self.entry_bits - bit) for bit in (1, 0))
        return int(-(-without // wide) < -(-with_all // wide))

    @property
    def tree_arity(self) -> int:
        """Operands of one adder of the tree: 3 where a carry chain adds three without signs."""
        return 3 if self.device == "xc7" and self.table_form == "full" else 2

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
        half = 4 if self.pe == "lut3" else self.lookup_group - 1
        return half + (self.table_form == "full")

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
        if self.table_form == "full":  # holds ``+ lookup_group * 2**(act_bits - 1)`` as well
            return (self.lookup_group << self.act_bits - 1).bit_length() + 1
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
        return self.max_weight_bits + (self.digit_bits > 1) if self.group_zeros else 0

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
