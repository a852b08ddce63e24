"""Builds the tables of one K block: one adder a table, one entry a cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .adder_tree import add_tree
from .build_schedule import build_schedule, plain_sum_step
from .config import Config, bits_for
from .processing_element import row_terms
from .table_quantiser import block_shift, quantised

__all__ = ["TableBuilder"]


class TableBuilder(Component):
    """Fills one bank of ``rows * tables`` tables at a time, all of them side by side.

    Every table runs through the same `build_schedule`, in which each entry costs one addition
    of an activation, or of twice one. Latency: ``Config.build_cycles`` from a transfer on `x` to
    the last write; `done` is high in the cycle after it. The next block is taken in the cycle of
    the last write. In front of memories, entries come from their registers, one cycle after
    `write`, `index` and `bank`, and `done` does so too.

    A row's `sum_x` is the sum of its tables' all-plus entries. Entries are quantised as they are
    written, if `Config.table_bits` says so (`hw.table_quantiser`); sums always run on exact ones.

    Attributes
    ----------
    x : In(stream of act_word_bits)
        ``[k_block][rows]`` activations.
    free : In(1)
        A bank may be written. `bank` alternates with every block.
    write, index, bank, entries : Out
        ``entries[m * tables + u]`` goes to `index` of bank `bank`.
    rows : Out
        `hw.processing_element.row_terms` of each row, one per bank: ``[bank][row]``.
    done : Out(1)
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        self._schedule = build_schedule(c)
        self._tables = c.rows * c.tables
        super().__init__(
            {
                "x": In(stream.Signature(c.act_word_bits)),
                "free": In(1),
                "write": Out(1),
                "bank": Out(1),
                "index": Out(c.index_bits),
                "entries": Out(data.ArrayLayout(signed(c.stored_entry_bits), self._tables)),
                "rows": Out(
                    data.ArrayLayout(data.ArrayLayout(row_terms(c), c.rows), c.table_banks)
                ),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, schedule = self._config, self._schedule
        block = Signal(c.act_word_bits, reset_less=True)
        busy, last = Signal(), Signal()
        step = Signal(range(len(schedule)), reset_less=True)
        bank = Signal()
        m.d.comb += [
            last.eq(step == len(schedule) - 1),
            self.x.ready.eq((~busy | last) & self.free),
        ]
        done = busy & last
        if c.lookup_registers:
            late = Signal(name="done_late")
            m.d.sync += late.eq(done)
            done = late
        m.d.sync += self.done.eq(done)
        with m.If(busy):
            m.d.sync += step.eq(step + 1)
            with m.If(last):
                m.d.sync += busy.eq(0)
                if c.table_banks > 1:
                    m.d.sync += bank.eq(~bank)
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += [block.eq(self.x.payload), busy.eq(1), step.eq(0)]

        # What a step adds is the same for all tables.
        def column(value) -> Value:
            return Array(value(s) for s in schedule)[step]

        controls = _Controls(c)
        m.d.comb += [
            self.write.eq(busy & column(lambda s: s.index is not None)),
            self.index.eq(column(lambda s: s.index or 0)),
            self.bank.eq(bank),
        ]
        m.d.comb += [
            controls.pick.eq(column(lambda s: s.operand)),
            controls.twice.eq(column(lambda s: abs(s.factor) == 2)),
            controls.nothing.eq(column(lambda s: s.factor == 0)),
            controls.minus.eq(column(lambda s: s.factor < 0)),
            controls.first.eq(step == 0),
        ]
        for row in range(c.rows):
            self._row(m, block, row, step, busy, bank, controls)
        return m

    def _row(self, m, block, row: int, step, busy, bank, controls: _Controls) -> None:
        """The tables of one row, and what they have in common."""
        c = self._config
        terms = self.rows[bank][row] if c.table_banks > 1 else self.rows[0][row]
        # Found while the first entry is still being added up, and not needed before.
        shift = Signal(bits_for(c.max_table_shift + 1), name=f"shift{row}", reset_less=True)
        if c.max_table_shift:
            elements = [self._element(block, row, k) for k in range(c.k_block)]
            m.d.sync += shift.eq(block_shift(m, elements, c, name=f"block{row}"))
        sums = []
        for table in range(c.tables):
            i = row * c.tables + table
            total = Signal(signed(c.entry_bits), name=f"sum{i}", reset_less=True)
            entry = Signal(signed(c.entry_bits), name=f"entry{i}")
            m.d.comb += entry.eq(self._adder(m, block, row, table, total, controls))
            written = total if c.lookup_registers else entry
            stored = written
            if c.max_table_shift:
                stored = quantised(m, written, shift, c, name=f"entry{i}")
            m.d.comb += self.entries[i].eq(stored)
            with m.If(busy):
                m.d.sync += total.eq(entry)
            sums.append(total)
        with m.If(busy & (step == plain_sum_step(c) + 1)):
            m.d.sync += [terms.sum_x.eq(add_tree(sums)), terms.shift.eq(shift)]
            if c.act_exponent_bits:
                at = c.act_word_bits - 8 * (c.rows - row)
                m.d.sync += terms.exponent.eq(block[at : at + c.act_exponent_bits])

    def _element(self, block: Signal, row: int, k: int) -> Value:
        at = (k * self._config.rows + row) * self._config.act_elem_bits
        return block[at : at + self._config.act_bits].as_signed()

    def _adder(self, m, block, row: int, table: int, total: Signal, controls: _Controls) -> Value:
        """``(0 if first else total) +- (1 or 2) * x[pick]``."""
        c, i = self._config, row * self._config.tables + table
        first = table * c.lookup_group
        inputs = [self._element(block, row, first + i) for i in range(c.lookup_group)]
        x = Signal(signed(c.act_bits), name=f"x{i}")
        addend = Signal(signed(c.act_bits + 1), name=f"addend{i}")
        before = Signal(signed(c.entry_bits), name=f"before{i}")
        chosen = Mux(controls.twice, x << 1, x)
        if any(s.factor == 0 for s in self._schedule):
            chosen = Mux(controls.nothing, 0, chosen)
        m.d.comb += [
            x.eq(Array(inputs)[controls.pick]),
            addend.eq(chosen),
            before.eq(Mux(controls.first, 0, total)),
        ]
        flip = controls.minus.replicate(c.act_bits + 1)
        return before + (addend.as_unsigned() ^ flip).as_signed() + controls.minus


class _Controls:
    """What all the adders are told in a step."""

    def __init__(self, config: Config) -> None:
        self.pick = Signal(bits_for(config.lookup_group))
        self.twice, self.nothing, self.minus, self.first = (
            Signal(name=name) for name in ("twice", "nothing", "minus", "first")
        )
