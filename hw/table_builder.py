"""Builds the tables of one K block: one adder a table, entries in Gray-code order."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .adder_tree import add_tree
from .config import Config, bits_for

__all__ = ["TableBuilder"]


class TableBuilder(Component):
    """Fills one bank of ``rows * tables`` tables at a time, all of them side by side.

    The table of a lookup group x_0 .. x_{L-1} holds, at index t, the signed sum

        T[t] = x_{L-1} + sum_{i < L-1} (x_i if bit i of t else -x_i).

    The other half of the signed sums is ``-T``, and never stored. The first L cycles add up
    the all-plus entry; every further entry differs from its predecessor in one index bit, so
    that one addition of ``+-2 x_i`` makes it (Gray 1953). Latency: ``Config.build_cycles`` =
    L + 2**(L-1) - 1 cycles from a transfer on `x` to the last write; `done` is high in
    the cycle after it. The next block is taken in the cycle of the last write.

    The element's `sum_x` is the sum of the all-plus entries, so it needs no multiplier path.

    Attributes
    ----------
    x : In(stream of act_word_bits)
        ``[k_block][rows]`` activations.
    free : In(1)
        A bank may be written. `bank` alternates with every block.
    write, index, bank, entries : Out
        ``entries[m * tables + u]`` goes to `index` of bank `bank`.
    sum_x : Out
        Sum of each row's activations, one value per bank: ``[bank][row]``.
    done : Out(1)
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        self._tables = c.rows * c.tables
        super().__init__(
            {
                "x": In(stream.Signature(c.act_word_bits)),
                "free": In(1),
                "write": Out(1),
                "bank": Out(1),
                "index": Out(c.lookup_group - 1),
                "entries": Out(data.ArrayLayout(signed(c.entry_bits), self._tables)),
                "sum_x": Out(data.ArrayLayout(data.ArrayLayout(signed(c.sum_bits), c.rows), 2)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, group = self._config, self._config.lookup_group
        block = Signal(c.act_word_bits, reset_less=True)
        busy = Signal()
        step = Signal(range(c.build_cycles), reset_less=True)
        last = Signal()
        m.d.comb += [
            last.eq(step == c.build_cycles - 1),
            self.x.ready.eq((~busy | last) & self.free),
            self.write.eq(busy & (step >= group - 1)),
        ]
        m.d.sync += self.done.eq(busy & last)
        with m.If(busy):
            m.d.sync += step.eq(step + 1)
            with m.If(last):
                m.d.sync += [busy.eq(0), self.bank.eq(~self.bank)]
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += [block.eq(self.x.payload), busy.eq(1), step.eq(0)]

        # Which activation a step adds, whether twice, and with which sign, is the same for all.
        operand, double, subtract = self._schedule()
        pick = Signal(bits_for(group))
        twice, minus = Signal(), Signal()
        m.d.comb += [
            pick.eq(Array(operand)[step]),
            twice.eq(Array(double)[step]),
            minus.eq(Array(subtract)[step]),
            self.index.eq(Array(self._indices())[step]),
        ]
        sums = [Signal(signed(c.entry_bits), name=f"sum{i}", reset_less=True)
                for i in range(self._tables)]  # fmt: skip
        for row in range(c.rows):
            for table in range(c.tables):
                self._adder(m, block, row, table, sums, step, pick, twice, minus, busy)
        with m.If(busy & (step == group)):
            for row in range(c.rows):
                total = add_tree(sums[row * c.tables : (row + 1) * c.tables])
                m.d.sync += self.sum_x[self.bank][row].eq(total)
        return m

    def _adder(self, m, block, row, table, sums, step, pick, twice, minus, busy) -> None:
        c, place = self._config, row * self._config.tables + table
        inputs = []
        for i in range(c.lookup_group):
            element = (table * c.lookup_group + i) * c.rows + row
            inputs.append(block[element * c.act_elem_bits :][: c.act_bits].as_signed())
        x = Signal(signed(c.act_bits), name=f"x{place}")
        addend = Signal(signed(c.act_bits + 1), name=f"addend{place}")
        before = Signal(signed(c.entry_bits), name=f"before{place}")
        m.d.comb += [
            x.eq(Array(inputs)[pick]),
            addend.eq(Mux(twice, x << 1, x)),
            before.eq(Mux(step == 0, 0, sums[place])),
            self.entries[place].eq(
                before
                + (addend.as_unsigned() ^ minus.replicate(c.act_bits + 1)).as_signed()
                + minus
            ),
        ]
        with m.If(busy):
            m.d.sync += sums[place].eq(self.entries[place])

    def _schedule(self) -> tuple[list[int], list[int], list[int]]:
        """Per step: the activation added, whether doubled, whether subtracted."""
        group = self._config.lookup_group
        operand, double, subtract = list(range(group)), [0] * group, [0] * group
        for index in self._indices()[group:]:
            changed = self._changed(len(operand) - group + 1)
            operand.append(changed)
            double.append(1)
            subtract.append(1 - (index >> changed & 1))
        return operand, double, subtract

    def _indices(self) -> list[int]:
        """Per step: the index it writes (the all-plus one while that is being added up)."""
        group = self._config.lookup_group
        ones = 2 ** (group - 1) - 1
        return [ones] * group + [ones ^ k ^ k >> 1 for k in range(1, ones + 1)]

    @staticmethod
    def _changed(k: int) -> int:
        """The bit in which Gray codes k - 1 and k differ: the trailing zeros of k."""
        return (k & -k).bit_length() - 1
