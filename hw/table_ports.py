"""The ports that all table storages have in common."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out

from .config import Config

__all__ = ["table_ports"]


def table_ports(config: Config) -> dict[str, Member]:
    """Members of a table storage.

    ``entries[m * tables + u]`` goes to `write_index` of row m's table u in `write_bank`. Where rows
    are built in turns (`Config.feed_rows`), `write` has a bit a turn, and m counts the rows of the
    turn that is written. `indices` are ``[lane][table]``, the same for all rows, and `values`
    ``[row][lane][table]``. Values lack the lowest bit where all entries of a table have the same
    one; `parities`, ``[row][table]``, are those bits. Registers share none and have no such port.
    """
    c = config
    stored = signed(c.stored_entry_bits - c.parity_bits)
    ports = {
        "write": In(c.build_turns),
        "write_bank": In(1),
        "write_index": In(c.index_bits),
        "entries": In(data.ArrayLayout(signed(c.stored_entry_bits), c.built_rows * c.tables)),
        "read_bank": In(1),
        "indices": In(data.ArrayLayout(c.index_bits, c.lanes * c.tables)),
        "values": Out(data.ArrayLayout(stored, c.rows * c.lanes * c.tables)),
    }
    if c.table_storage != "registers":
        ports["parities"] = Out(c.rows * c.tables)
    return ports
