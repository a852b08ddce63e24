"""The lookup array: tables instead of multipliers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, connect, flipped

from .adder_tree import signed_tree
from .config import Config
from .devices import device_of
from .digits import encode_digits
from .lookup_tree import LookupTree
from .operand_banks import BankTurns
from .processing_element import ProcessingElement, delayed_rows
from .stream_builder import StreamBuilder
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

    Latency: see `latency`; one weight word a cycle. With two `Config.table_banks`, building the
    next K block's tables (``Config.build_cycles``) hides behind the lookups of this one.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        stream = c.table_feed == "stream"
        m.submodules.builder = builder = StreamBuilder(c) if stream else TableBuilder(c)
        m.submodules.tables = tables = create_table_storage(c)
        connect(m, flipped(self.x), builder.x)

        m.submodules.turns = turns = BankTurns(c.table_banks)
        m.d.comb += [
            turns.take.eq(builder.take if stream else self.x.valid & self.x.ready),
            turns.release.eq(self.control.valid & self.control.release),
            builder.free.eq(turns.free),
            self.loaded.eq(builder.done),
            tables.write.eq(builder.write),
            tables.write_bank.eq(builder.bank),
            tables.write_index.eq(builder.index),
            tables.entries.eq(builder.entries),
        ]

        word, read_bank, first = self.weights, turns.read_bank, 0
        if c.lookup_registers:
            # What it is set to by a probe is its initial value, too: some devices need both equal.
            first = _all_plus(c) if stream else first
            word = Signal.like(self.weights, name="word", reset_less=True, init=first)
            read_bank = Signal.like(turns.read_bank, name="read_bank", reset_less=True)
            m.d.sync += [word.eq(self.weights), read_bank.eq(turns.read_bank)]
            if stream:  # only the first lane's sums are caught: no more hangs on `probe`
                own = c.tables * c.field_bits
                with m.If(self.control.probe):
                    m.d.sync += word[:own].eq(first & (1 << own) - 1)
        m.d.comb += tables.read_bank.eq(read_bank)
        width, leaves = c.field_bits, c.lanes * c.tables
        asked = word
        if c.table_storage == "bram":  # the memories register it themselves
            asked = Mux(self.control.probe, first, self.weights) if stream else self.weights
        stored = [word[i * width : (i + 1) * width] for i in range(leaves)]
        for i in range(leaves):
            m.d.comb += tables.indices[i].eq(asked[i * width : i * width + c.index_bits])
        half = c.table_form == "half"
        for row in range(c.rows):
            tree = self._tree(m, tables, row)
            for lane in range(c.lanes):
                base = (row * c.lanes + lane) * c.tables
                values = [tables.values[base + u] for u in range(c.tables)]
                mine = stored[lane * c.tables : (lane + 1) * c.tables]
                sums = tree(values, [bits[-1] for bits in mine] if half else None, lane)
                m.d.comb += self.sums[row * c.lanes + lane].eq(sums)

        if half:
            signs = Signal(c.lanes, reset_less=True)
            m.d.comb += signs.eq(Cat(stored[lane * c.tables][-1] for lane in range(c.lanes)))
            for cycle in range(self.latency - c.lookup_registers):
                later = Signal(c.lanes, name=f"signs{cycle}", reset_less=True)
                m.d.sync += later.eq(signs)
                signs = later
            m.d.comb += self.signs.eq(signs)
        if stream:
            self._catch_sums(m)
            return m
        shown = builder.rows[turns.read_bank] if c.table_banks > 1 else builder.rows[0]
        m.d.comb += self.rows.eq(delayed_rows(m, c, shown, self.latency))
        return m

    def _catch_sums(self, m: Module) -> None:
        """The sums of a K block's activations: what the first lane finds for all plus signs."""
        c = self._config
        probe = self.control.probe
        for cycle in range(self.latency):
            later = Signal(name=f"probe{cycle}")
            m.d.sync += later.eq(probe)
            probe = later
        for row in range(c.rows):
            caught = Signal(signed(c.sum_x_bits), name=f"sum_x{row}", reset_less=True)
            with m.If(probe):
                m.d.sync += caught.eq(self.sums[row * c.lanes])
            m.d.comb += self.rows[row].sum_x.eq(caught)

    def _tree(self, m: Module, tables: Component, row: int) -> Callable:
        """What adds up the leaves of a lane of this row."""
        c = self._config
        if c.table_storage == "registers":
            return lambda leaves, subtract, lane: signed_tree(
                m, leaves, subtract, every=c.tree_pipeline, name=f"tree_{row}_{lane}",
                bits=c.stored_entry_bits,
            )  # fmt: skip
        parities = [tables.parities[row * c.tables + u] for u in range(c.tables)]
        tree = LookupTree(
            m, c, device_of(c), parities if c.parity_bits else None, name=f"tree_{row}"
        )
        return lambda leaves, subtract, lane: tree.sum(leaves, subtract, name=f"tree_{row}_{lane}")


def _all_plus(config: Config) -> int:
    """The weight word whose digits are all +1."""
    bits = encode_digits(np.ones((config.lanes, config.k_block), np.int8), config)
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
