"""Builds the tables of one K block: one adder a table, one entry a cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .adder_tree import add_tree
from .build_schedule import build_schedule, plain_sum_step
from .config import Config, bits_for

__all__ = ["TableBuilder"]


class TableBuilder(Component):
    """Fills one bank of ``rows * tables`` tables at a time, all of them side by side.

    Every table runs through the same `build_schedule`, in which each entry costs one addition
    of an activation, or of twice one. Latency: ``Config.build_cycles`` from a transfer on `x` to
    the last write; `done` is high in the cycle after it. The next block is taken in the cycle of
    the last write.

    The element's `sum_x` is the sum of the tables' all-plus entries, so it costs no multiplier.

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
        self._schedule = build_schedule(c)
        self._tables = c.rows * c.tables
        super().__init__(
            {
                "x": In(stream.Signature(c.act_word_bits)),
                "free": In(1),
                "write": Out(1),
                "bank": Out(1),
                "index": Out(c.index_bits),
                "entries": Out(data.ArrayLayout(signed(c.entry_bits), self._tables)),
                "sum_x": Out(data.ArrayLayout(data.ArrayLayout(signed(c.sum_bits), c.rows), 2)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, schedule = self._config, self._schedule
        block = Signal(c.act_word_bits, reset_less=True)
        busy, last = Signal(), Signal()
        step = Signal(range(len(schedule)), reset_less=True)
        m.d.comb += [
            last.eq(step == len(schedule) - 1),
            self.x.ready.eq((~busy | last) & self.free),
        ]
        m.d.sync += self.done.eq(busy & last)
        with m.If(busy):
            m.d.sync += step.eq(step + 1)
            with m.If(last):
                m.d.sync += [busy.eq(0), self.bank.eq(~self.bank)]
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += [block.eq(self.x.payload), busy.eq(1), step.eq(0)]

        # What a step adds is the same for all tables.
        def column(value) -> Value:
            return Array(value(s) for s in schedule)[step]

        controls = _Controls(c)
        m.d.comb += [
            self.write.eq(busy & column(lambda s: s.index is not None)),
            self.index.eq(column(lambda s: s.index or 0)),
            controls.pick.eq(column(lambda s: s.operand)),
            controls.twice.eq(column(lambda s: abs(s.factor) == 2)),
            controls.nothing.eq(column(lambda s: s.factor == 0)),
            controls.minus.eq(column(lambda s: s.factor < 0)),
            controls.first.eq(step == 0),
        ]
        sums = []
        for row in range(c.rows):
            for table in range(c.tables):
                i = row * c.tables + table
                total = Signal(signed(c.entry_bits), name=f"sum{i}", reset_less=True)
                m.d.comb += self.entries[i].eq(self._adder(m, block, row, table, total, controls))
                with m.If(busy):
                    m.d.sync += total.eq(self.entries[i])
                sums.append(total)
        with m.If(busy & (step == plain_sum_step(c) + 1)):
            for row in range(c.rows):
                plain = add_tree(sums[row * c.tables : (row + 1) * c.tables])
                m.d.sync += self.sum_x[self.bank][row].eq(plain)
        return m

    def _adder(self, m, block, row: int, table: int, total: Signal, controls: _Controls) -> Value:
        """``(0 if first else total) +- (1 or 2) * x[pick]``."""
        c, i = self._config, row * self._config.tables + table
        inputs = []
        for k in range(table * c.lookup_group, (table + 1) * c.lookup_group):
            at = (k * c.rows + row) * c.act_elem_bits
            inputs.append(block[at : at + c.act_bits].as_signed())
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
