"""Tables in flip-flops, read through AND-OR selectors: the storage for standard cells."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .build_schedule import build_schedule
from .config import Config
from .table_ports import table_ports

__all__ = ["CellTables", "OneHot"]


class OneHot(Component):
    """``hot[i][k] = (index[i] == k)`` for every lookup i.

    A component of its own, so that synthesis can be told to map it by itself: seen together with
    the selectors behind it, ABC turns both into multiplexers, a tenth larger.
    """

    def __init__(self, lookups: int, index_bits: int, entries: int) -> None:
        self._entries = entries
        super().__init__(
            {
                "index": In(data.ArrayLayout(index_bits, lookups)),
                "hot": Out(data.ArrayLayout(entries, lookups)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for index, hot in zip(self.index, self.hot, strict=True):
            m.d.comb += hot.eq(Cat(index == k for k in range(self._entries)))
        return m


class CellTables(Component):
    """Tables whose banks are selected once, in front of all lanes, and not behind each.

    What a lane reads is ``OR over k of hot[k] & entry[k]``; the decoded indices are shared by all
    rows. Where all entries of a table have the same lowest bit, it is kept beside (`parities`).

    Latency and attributes as of `hw.table_storage.RegisterTables`; `values` lack the lowest bit
    where it is shared.

    Attributes
    ----------
    parities : Out
        ``[row][table]`` lowest bits of all entries in `read_bank`.
    """

    latency = 0

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(table_ports(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        depth = sum(step.index is not None for step in build_schedule(c))
        lookups = c.lanes * c.tables
        m.submodules.one_hot = one_hot = OneHot(lookups, c.index_bits, depth)
        m.d.comb += one_hot.index.eq(self.indices)
        bits = c.stored_entry_bits - c.parity_bits
        for place in range(c.rows * c.tables):
            row, table = divmod(place, c.tables)
            entry = self.entries[place].as_unsigned()[c.parity_bits :]
            shown = []
            for index in range(depth):
                banks = self._banks(m, entry, index, name=f"table_{row}_{table}_{index}")
                now = Signal(bits, name=f"now_{row}_{table}_{index}")
                m.d.comb += now.eq(self._shown(banks))
                shown.append(now)
            for lane in range(c.lanes):
                hot = one_hot.hot[lane * c.tables + table]
                selected = [word & hot[k].replicate(bits) for k, word in enumerate(shown)]
                found = (row * c.lanes + lane) * c.tables + table
                m.d.comb += self.values[found].eq(reduce(or_, selected))
        if c.parity_bits:
            lowest = Cat(entry.as_unsigned()[0] for entry in self.entries)
            m.d.comb += self.parities.eq(self._shown(self._banks(m, lowest, None, name="parity")))
        return m

    def _banks(self, m: Module, value, index: int | None, *, name: str) -> list[Signal]:
        """A register a bank, written where `index` (any, if None) is."""
        registers = []
        for bank in range(self._config.table_banks):
            register = Signal(len(value), name=f"{name}_{bank}", reset_less=True)
            here = self.write & (self.write_bank == bank)
            with m.If(here if index is None else here & (self.write_index == index)):
                m.d.sync += register.eq(value)
            registers.append(register)
        return registers

    def _shown(self, banks: list[Signal]):
        return Mux(self.read_bank, banks[-1], banks[0]) if len(banks) > 1 else banks[0]
