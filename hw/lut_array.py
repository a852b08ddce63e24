"""The lookup array: tables instead of multipliers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import connect, flipped

from .adder_tree import signed_tree
from .operand_banks import BankTurns
from .processing_element import ProcessingElement, delayed_rows
from .table_builder import TableBuilder
from .table_storage import create_table_storage

__all__ = ["LUTArray"]


class LUTArray(ProcessingElement):
    """Table-stationary array of M rows, N lanes and U tables a row.

    In every cycle each lane looks up one entry in each of the U tables of every row and adds
    them in a tree: ``rows * lanes * tables`` lookups, each worth `lookup_group` MACs with digits
    -1 and +1 (`lut`) or -1, 0 and +1 (`lut3`). A weight word holds, per lane and table, the index
    bits and the add/subtract bit that the host prepared (`hw.table`, `hw.digits`), so that
    the array neither inverts an index nor negates an entry.

    Method: table symmetry and offline index remapping as in LUT Tensor Core (Mo et al., ISCA
    2025) and T-MAC (Wei et al., EuroSys 2025); a tree over K in place of an accumulator a lookup.

    Latency: see `latency`; one weight word a cycle. Tables are double-buffered, so that building
    the next K block's (``Config.build_cycles``) hides behind the lookups of this one.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.builder = builder = TableBuilder(c)
        m.submodules.tables = tables = create_table_storage(c)
        connect(m, flipped(self.x), builder.x)

        m.submodules.turns = turns = BankTurns()
        m.d.comb += [
            turns.take.eq(self.x.valid & self.x.ready),
            turns.release.eq(self.control.valid & self.control.release),
            builder.free.eq(turns.free),
            self.loaded.eq(builder.done),
            tables.write.eq(builder.write),
            tables.write_bank.eq(builder.bank),
            tables.write_index.eq(builder.index),
            tables.entries.eq(builder.entries),
            tables.read_bank.eq(turns.read_bank),
        ]

        width = c.field_bits
        stored = [self.weights[i * width : (i + 1) * width] for i in range(c.lanes * c.tables)]
        for i, bits in enumerate(stored):
            m.d.comb += tables.indices[i].eq(bits[: c.index_bits])
        for lane in range(c.lanes):
            mine = slice(lane * c.tables, (lane + 1) * c.tables)
            subtract = [bits[-1] for bits in stored[mine]]
            for row in range(c.rows):
                base = (row * c.lanes + lane) * c.tables
                sums = signed_tree(
                    m,
                    [tables.values[base + u] for u in range(c.tables)],
                    subtract,
                    every=c.tree_pipeline,
                    name=f"tree_{row}_{lane}",
                    bits=c.stored_entry_bits,
                )
                m.d.comb += self.sums[row * c.lanes + lane].eq(sums)

        signs = Signal(c.lanes, reset_less=True)
        m.d.comb += signs.eq(sum(stored[lane * c.tables][-1] << lane
                                 for lane in range(c.lanes)))  # fmt: skip
        for cycle in range(self.latency):
            later = Signal(c.lanes, name=f"signs{cycle}", reset_less=True)
            m.d.sync += later.eq(signs)
            signs = later
        rows = delayed_rows(m, c, builder.rows[turns.read_bank], self.latency)
        m.d.comb += [self.signs.eq(signs), self.rows.eq(rows)]
        return m
