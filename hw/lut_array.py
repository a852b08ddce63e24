"""The lookup array: tables instead of multipliers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, connect, flipped

from .adder_tree import signed_tree, tree_latency
from .config import Config
from .processing_element import ProcessingElementSignature
from .table_builder import TableBuilder
from .table_storage import create_table_storage

__all__ = ["LUTArray"]


class LUTArray(Component):
    """Table-stationary array of M rows, N lanes and U tables a row.

    In every cycle each lane looks up one entry in each of the U tables of every row and adds
    them in a tree: ``rows * lanes * tables`` lookups, each worth `lookup_group` one-bit MACs.
    A weight word holds, per lane and table, the L - 1 index bits and the add/subtract bit that
    the host prepared (`hw.table`), so the array neither inverts an index nor negates an entry.

    Method: table symmetry and offline index remapping as in LUT Tensor Core (Mo et al., ISCA
    2025) and T-MAC (Wei et al., EuroSys 2025); a tree over K in place of an accumulator a lookup.

    Latency: see `latency`; one weight word a cycle. Tables are double-buffered, so that building
    the next K block's (``Config.build_cycles``) hides behind the lookups of this one.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._signature = ProcessingElementSignature(config)
        super().__init__(self._signature)

    @property
    def latency(self) -> int:
        """Cycles from a weight word to its plane sums."""
        return tree_latency(self._config.tables, self._config.tree_pipeline)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.builder = builder = TableBuilder(c)
        m.submodules.tables = tables = create_table_storage(c)
        connect(m, flipped(self.x), builder.x)

        # A bank is free from the cycle after its last lookup until it is built into again.
        free = Signal(2, init=2)
        release = self.control.valid & self.control.release
        take = self.x.valid & self.x.ready
        read_bank = Signal()
        m.d.sync += free.eq(free + release - take)
        with m.If(release):
            m.d.sync += read_bank.eq(~read_bank)
        m.d.comb += [
            builder.free.eq(free != 0),
            self.loaded.eq(builder.done),
            tables.write.eq(builder.write),
            tables.write_bank.eq(builder.bank),
            tables.write_index.eq(builder.index),
            tables.entries.eq(builder.entries),
            tables.read_bank.eq(read_bank),
        ]

        group = c.lookup_group
        stored = [self.weights[i * group : (i + 1) * group] for i in range(c.lanes * c.tables)]
        for i, bits in enumerate(stored):
            m.d.comb += tables.indices[i].eq(bits[: group - 1])
        for lane in range(c.lanes):
            mine = slice(lane * c.tables, (lane + 1) * c.tables)
            subtract = [bits[group - 1] for bits in stored[mine]]
            for row in range(c.rows):
                base = (row * c.lanes + lane) * c.tables
                sums = signed_tree(
                    m,
                    [tables.values[base + u] for u in range(c.tables)],
                    subtract,
                    every=c.tree_pipeline,
                    name=f"tree_{row}_{lane}",
                    bits=c.entry_bits,
                )
                m.d.comb += self.sums[row * c.lanes + lane].eq(sums)

        signs = Signal(c.lanes, reset_less=True)
        m.d.comb += signs.eq(sum(stored[lane * c.tables][group - 1] << lane
                                 for lane in range(c.lanes)))  # fmt: skip
        sum_x = builder.sum_x[read_bank]
        for cycle in range(self.latency):
            later_signs = Signal(c.lanes, name=f"signs{cycle}", reset_less=True)
            later_sum = Signal.like(self.sum_x, name=f"sum_x{cycle}", reset_less=True)
            m.d.sync += [later_signs.eq(signs), later_sum.eq(sum_x)]
            signs, sum_x = later_signs, later_sum
        m.d.comb += [self.signs.eq(signs), self.sum_x.eq(sum_x)]
        return m
