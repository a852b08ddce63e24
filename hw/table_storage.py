"""Where the tables live: one storage component per `Config.table_storage`."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .config import Config

__all__ = ["RegisterTables", "create_table_storage"]


class RegisterTables(Component):
    """Two banks of ``rows * tables`` tables, each read by every lane in every cycle.

    A table is a small memory with one write port and one combinational read port a lane, which
    synthesis turns into registers and multiplexers.

    Latency: reads in the same cycle (`latency` = 0); an entry written can be read a cycle later.

    Attributes
    ----------
    write, write_bank, write_index, entries : In
        ``entries[t]`` goes to `write_index` of table t in `write_bank`.
    read_bank : In(1)
    indices : In
        ``[lane][table]`` indices, the same for all rows.
    values : Out
        ``[row][lane][table]`` entries.
    """

    latency = 0

    def __init__(self, config: Config) -> None:
        self._config = c = config
        entry = signed(c.stored_entry_bits)
        super().__init__(
            {
                "write": In(1),
                "write_bank": In(1),
                "write_index": In(c.index_bits),
                "entries": In(data.ArrayLayout(entry, c.rows * c.tables)),
                "read_bank": In(1),
                "indices": In(data.ArrayLayout(c.index_bits, c.lanes * c.tables)),
                "values": Out(data.ArrayLayout(entry, c.rows * c.lanes * c.tables)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        index_bits = c.index_bits
        for row in range(c.rows):
            for table in range(c.tables):
                memory = Memory(shape=signed(c.stored_entry_bits), depth=2 << index_bits, init=[])
                m.submodules[f"table_{row}_{table}"] = memory
                write = memory.write_port()
                m.d.comb += [
                    write.en.eq(self.write),
                    write.addr[:index_bits].eq(self.write_index),
                    write.addr[index_bits].eq(self.write_bank),
                    write.data.eq(self.entries[row * c.tables + table]),
                ]
                for lane in range(c.lanes):
                    read = memory.read_port(domain="comb")
                    place = (row * c.lanes + lane) * c.tables + table
                    m.d.comb += [
                        read.addr[:index_bits].eq(self.indices[lane * c.tables + table]),
                        read.addr[index_bits].eq(self.read_bank),
                        self.values[place].eq(read.data),
                    ]
        return m


def create_table_storage(config: Config) -> RegisterTables:
    """The storage that ``config.table_storage`` names."""
    return {"registers": RegisterTables}[config.table_storage](config)
