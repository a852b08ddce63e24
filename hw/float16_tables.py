"""Builds and holds the float16 tables: one adder a table, one addition a cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .float16_shape import Float16Shape
from .float16_table import sum_schedule
from .float_adder import add_floats
from .float_format import FLOAT16

__all__ = ["Float16Tables"]


class Float16Tables(Component):
    """Tables of one K block while those of the next are being built.

    Every table runs through the same `sum_schedule` with one float16 adder. Activations stay on
    `x` until they have been used. Latency: `build_cycles` from `x.valid` to `built`.

    Attributes
    ----------
    x : In(stream of 16 * rows * k_block bits)
        ``[k_block][rows]`` activations.
    built : Out(1)
        Tables of the next K block are complete.
    advance : In(1)
        Use them from the next cycle on, and build anew. Only while `built`.
    entries : Out
        ``[row][table][index]``, of the K block in use.
    """

    def __init__(self, shape: Float16Shape) -> None:
        self._shape = s = shape
        self._first, self._steps = sum_schedule(s.lookup_group)
        entries = s.rows * s.tables << s.lookup_group - 1
        super().__init__(
            {
                "x": In(stream.Signature(16 * s.rows * s.k_block)),
                "built": Out(1),
                "advance": In(1),
                "entries": Out(data.ArrayLayout(16, entries)),
            }
        )

    @property
    def build_cycles(self) -> int:
        """Cycles that a set of tables takes."""
        return len(self._steps)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s = self._shape
        step = Signal(range(len(self._steps)))
        adding = self.x.valid & ~self.built
        m.d.comb += self.x.ready.eq(step == len(self._steps) - 1)
        with m.If(adding):
            m.d.sync += step.eq(step + 1)
            with m.If(self.x.ready):
                m.d.sync += [step.eq(0), self.built.eq(1)]
        with m.If(self.advance):
            m.d.sync += self.built.eq(0)
        count = 1 << s.lookup_group - 1
        for row in range(s.rows):
            for table in range(s.tables):
                i = row * s.tables + table
                entries = self._table(m, row, table, step, adding)
                with m.If(self.advance):
                    for index, entry in enumerate(entries):
                        m.d.sync += self.entries[i * count + index].eq(entry)
        return m

    def _table(self, m: Module, row: int, table: int, step: Signal, adding: Value) -> list[Signal]:
        """The entries being built of one table."""
        s, group = self._shape, self._shape.lookup_group
        name = f"table{row}_{table}"
        places: list[Value] = []
        for j in range(group):
            at = 16 * ((table * group + j) * s.rows + row)
            places.append(self.x.payload[at : at + 16])
        kept = self._first - group + (1 << group - 1)
        made = [Signal(16, name=f"{name}_{i}", reset_less=True) for i in range(kept)]
        places += made
        left, right = Signal(16, name=f"{name}_left"), Signal(16, name=f"{name}_right")
        m.d.comb += [
            left.eq(Array(places[t.left] for t in self._steps)[step]),
            right.eq(Array(places[t.right] for t in self._steps)[step]),
        ]
        subtract = Array(int(t.subtract) for t in self._steps)[step]
        signed = Cat(right[:-1], right[-1] ^ subtract)
        total = add_floats(m, left, signed, FLOAT16, name=f"{name}_sum")
        with m.If(adding), m.Switch(step):
            for number, t in enumerate(self._steps):
                with m.Case(number):
                    m.d.sync += made[t.target - group].eq(total)
        return made[self._first - group :]
