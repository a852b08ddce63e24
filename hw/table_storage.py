"""Where the tables live: one storage component per `Config.table_storage`."""

from __future__ import annotations

from itertools import product

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component

from .cell_tables import CellTables
from .config import Config
from .devices import device_of
from .table_ports import table_ports

__all__ = ["MemoryTables", "RegisterTables", "create_table_storage"]


class RegisterTables(Component):
    """Banks of ``rows * tables`` tables, each read by every lane in every cycle.

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
        self._config = config
        super().__init__(table_ports(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        for row in range(c.rows):
            for table in range(c.tables):
                memory = Memory(shape=signed(c.stored_entry_bits), depth=c.table_depth, init=[])
                m.submodules[f"table_{row}_{table}"] = memory
                write = memory.write_port()
                m.d.comb += [
                    write.en.eq(self.write),
                    write.addr.eq(Cat(self.write_index, self.write_bank)),
                    write.data.eq(self.entries[row * c.tables + table]),
                ]
                for lane in range(c.lanes):
                    read = memory.read_port(domain="comb")
                    place = (row * c.lanes + lane) * c.tables + table
                    index = self.indices[lane * c.tables + table]
                    m.d.comb += [
                        read.addr.eq(Cat(index, self.read_bank)),
                        self.values[place].eq(read.data),
                    ]
        return m


class MemoryTables(Component):
    """Tables in memories: a copy a lane, since a distributed memory has one read port.

    A block memory has two ports, serves two lanes, and registers what it is asked for: `indices`
    and `read_bank` then come a cycle before the values. It is written through its first port, while
    no lane looks anything up.

    The entries of rows that are built together lie side by side in one word, since all rows of a
    lane look up the same index; those of another turn are in a memory of their own. Where all
    entries of a table have the same lowest bit, it is kept beside (`parities`).

    Attributes as of `RegisterTables`, only that `write`, `write_bank` and `write_index` come a
    cycle before `entries`, and reach each lane through a register of its own; `values` lack the
    lowest bit where it is shared.

    Attributes
    ----------
    parities : Out
        ``[row][table]`` lowest bits of all entries in `read_bank`.
    """

    @property
    def latency(self) -> int:
        return int(self._config.table_storage == "bram")

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(table_ports(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, device = self._config, device_of(self._config)
        bits = c.stored_entry_bits - c.parity_bits
        two = c.table_banks == 2
        address = Cat(self.write_index, self.write_bank if two else Const(0, 0))
        writes = device.copies(m, Cat(address, self.write), c.lanes, name="write")
        for turn, table in product(range(c.build_turns), range(c.tables)):
            rows = range(turn * c.built_rows, (turn + 1) * c.built_rows)
            entries = [self.entries[row * c.tables + table] for row in range(c.built_rows)]
            word = Cat(entry.as_unsigned()[c.parity_bits :] for entry in entries)
            ports: list[Value] = []
            for lane in range(c.lanes):
                name = f"table_{table}_{lane}" + (f"_{turn}" if c.build_turns > 1 else "")
                index = self.indices[lane * c.tables + table]
                write_address = writes[lane][: len(address)]
                write = writes[lane][len(address) + turn]
                if c.table_storage == "lutram":
                    found = device.table(
                        m,
                        depth=c.table_depth,
                        name=name,
                        write=write,
                        write_address=write_address,
                        write_data=word,
                        read_address=Cat(index, self.read_bank) if two else index,
                    )
                elif lane % 2 == 0:
                    asked = [self.indices[i * c.tables + table] for i in range(lane, c.lanes)[:2]]
                    ports = self._block(m, name, asked, write, write_address, word)
                    found = ports[0]
                else:
                    found = ports[1]
                for i, row in enumerate(rows):
                    place = (row * c.lanes + lane) * c.tables + table
                    m.d.comb += self.values[place].eq(found[i * bits : (i + 1) * bits])
        if c.parity_bits:
            self._keep_parities(m, writes[0], len(address))
        return m

    def _keep_parities(self, m: Module, written: Value, turns: int) -> None:
        """The lowest bits of what is written; `written` has its turns' bits from `turns` on."""
        c = self._config
        kept = [Signal(c.rows * c.tables, name=f"parity{bank}", reset_less=True)
                for bank in range(c.table_banks)]  # fmt: skip
        lowest = Cat(entry.as_unsigned()[0] for entry in self.entries)
        for bank, turn in product(range(c.table_banks), range(c.build_turns)):
            chosen = written[turns - 1] == bank if c.table_banks == 2 else Const(1, 1)
            with m.If(written[turns + turn] & chosen):
                m.d.sync += kept[bank][turn * len(lowest) : (turn + 1) * len(lowest)].eq(lowest)
        m.d.comb += self.parities.eq(Mux(self.read_bank, kept[-1], kept[0]))

    def _block(
        self, m: Module, name: str, asked: list[Value], write: Value, address: Value, word: Value
    ) -> list[Value]:
        """A block memory for one lane or two: what they find where they ask."""
        # Small tables, too: a synthesiser left to itself puts them into copies of distributed RAM.
        attributes = {"no_rw_check": 1, "ram_style": "block"}
        memory = Memory(shape=len(word), depth=self._config.table_depth, init=[], attrs=attributes)
        m.submodules[name] = memory
        port = memory.write_port()
        first = Mux(write, address, asked[0])
        m.d.comb += [port.en.eq(write), port.addr.eq(first), port.data.eq(word)]
        found = []
        for place in (first, *asked[1:]):
            read = memory.read_port()
            m.d.comb += read.addr.eq(place)
            found.append(read.data)
        return found


def create_table_storage(config: Config) -> RegisterTables | CellTables | MemoryTables:
    """The storage that ``config.table_storage`` names."""
    storages = {"registers": RegisterTables, "cells": CellTables}
    return storages.get(config.table_storage, MemoryTables)(config)
