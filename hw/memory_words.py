"""What one buffer address holds, and how it lies in memory."""

from __future__ import annotations

from .widths import Widths

__all__ = ["MemoryWords"]


class MemoryWords(Widths):
    """Words of the buffers and their padding in memory, derived of `hw.config.Config`."""

    axi_bits: int

    @property
    def act_word_bits(self) -> int:
        """One activation word: ``[k_block][rows]`` elements, then ``[rows]`` exponents."""
        elements = self.k_block * self.rows * self.act_elem_bits
        return elements + (8 * self.rows if self.act_exponent_bits else 0)

    @property
    def slice_bits(self) -> int:
        """One activation of every table and row: what a builder is fed in one step."""
        return self.tables * self.rows * self.act_elem_bits

    @property
    def feed_bits(self) -> int:
        """What one transfer to the processing element holds."""
        return self.slice_bits if self.table_feed == "stream" else self.act_word_bits

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
