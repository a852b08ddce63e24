"""Builds the tables of a K block from a stream of activations: an adder a table, and no more."""

from __future__ import annotations

from functools import reduce
from itertools import product
from operator import or_

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .build_schedule import build_schedule
from .config import Config
from .devices import device_of

__all__ = ["StreamBuilder"]


class StreamBuilder(Component):
    """Fills one bank of ``rows * tables`` tables at a time, one entry a transfer.

    The k-th transfer of a K block holds, for every table and row, the activation that step k of
    `hw.build_schedule` adds. The first is taken from the cycle after `free` on, the others at once.
    Where rows take turns (`Config.feed_rows`), the same transfers come again for each turn. Between
    the last transfer of one turn or block and the first of the next there is one cycle, in which
    the sums are cleared.

    Latency: an entry is written in the second cycle after its transfer; `done` is high in the first
    cycle after the last transfer.

    Attributes
    ----------
    x : In(stream of slice_bits)
        ``[table][row]`` activations.
    free : In(1)
        A bank may be written. `bank` alternates with every block.
    take : Out(1)
        The first transfer of a block.
    write, index, bank, entries : Out
        ``entries[m * tables + u]`` goes to `index` of bank `bank`, a cycle after these three.
        `write` has a bit a turn, and m counts the rows of that turn.
    done : Out(1)
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        self._schedule = build_schedule(c)
        super().__init__(
            {
                "x": In(stream.Signature(c.slice_bits)),
                "free": In(1),
                "take": Out(1),
                "write": Out(c.build_turns),
                "bank": Out(1),
                "index": Out(c.index_bits),
                "entries": Out(data.ArrayLayout(signed(c.entry_bits), c.built_rows * c.tables)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, schedule = self._config, self._schedule
        step = Signal(range(len(schedule)))
        first, last, fire = Signal(), Signal(), Signal()
        arrived, ended, ready = Signal(), Signal(), Signal()
        bank = Signal()
        turn = Signal(c.build_turns, init=1)
        turn_late = Signal(c.build_turns, reset_less=True)  # that of what arrived
        m.d.comb += [
            first.eq(step == 0),
            last.eq(step == len(schedule) - 1),
            self.x.ready.eq(ready),
            fire.eq(self.x.valid & self.x.ready),
            self.take.eq(fire & first & turn[0]),
            self.done.eq(arrived & ended),
        ]
        # A register of its own: the enable of the activation buffer hangs on it.
        m.d.sync += arrived.eq(fire)
        with m.If(fire & last):
            m.d.sync += ready.eq(0)
        with m.Elif(self.free | ~turn[0]):
            m.d.sync += ready.eq(1)
        m.d.sync += turn_late.eq(turn)
        with m.If(fire):
            m.d.sync += [step.eq(Mux(last, 0, step + 1)), ended.eq(last & turn[-1])]
        with m.If(fire & last):
            m.d.sync += turn.eq(turn.rotate_left(1))

        # What a step adds is the same for all tables, and told to each by a register of its own.
        def now(name: str, value) -> Signal:
            values = [value(s) for s in schedule]
            signal = Signal(range(max(values) + 1), name=name)
            m.d.comb += signal.eq(Array(values)[step])
            return signal

        device = device_of(c)
        doubles = any(abs(s.factor) == 2 for s in schedule)
        twice = now("twice", lambda s: int(abs(s.factor) == 2)) if doubles else Const(0, 1)
        twices = device.copies(m, twice, c.tables, name="twices") if doubles else []
        minuses = device.copies(
            m, now("minus", lambda s: int(s.factor < 0)), c.tables, name="minuses"
        )
        adds_nothing = now("adds_nothing", lambda s: int(s.factor == 0))
        written = Signal(reset_less=True)
        index = Signal(c.index_bits, reset_less=True)
        with m.If(fire):
            m.d.sync += [
                written.eq(now("is_written", lambda s: int(s.index is not None))),
                index.eq(now("written_index", lambda s: s.index or 0)),
            ]
        m.d.comb += [self.index.eq(index), self.bank.eq(bank)]
        m.d.comb += self.write.eq(turn_late & (arrived & written).replicate(c.build_turns))
        if c.table_banks > 1:
            with m.If(self.done):
                m.d.sync += bank.eq(~bank)

        # Looked at in the cycle after `fire` only; and turns change only where nothing comes.
        turns = device.copies(m, turn, c.tables, name="turn") if c.build_turns > 1 else []
        now_fed = data.ArrayLayout(signed(c.act_bits), c.built_rows * c.tables)
        fed, slice_ = Signal(now_fed), Signal(now_fed, name="slice", reset_less=True)
        for row, table in product(range(c.built_rows), range(c.tables)):
            offered = [self._offered(table, at) for at in range(row, c.rows, c.built_rows)]
            if turns:
                shown = zip(offered, turns[table], strict=True)
                offered = [x & on.replicate(c.act_bits) for x, on in shown]
            m.d.comb += fed[row * c.tables + table].eq(reduce(or_, offered))
        m.d.sync += slice_.eq(fed)
        # Each table's own: sums are cleared where nothing is added, and before a block's first.
        clears = device.copies(m, Mux(fire, adds_nothing, first), c.tables, name="clears")
        arrivals = device.copies(m, fire, c.tables, name="arrivals")
        totals, additions = [], []
        for i, x in enumerate(slice_):
            table = i % c.tables
            total = Signal(signed(c.entry_bits), name=f"sum{i}", reset_less=True)
            totals.append(total)
            additions.append(
                {
                    "operands": [total, Mux(twices[table], x << 1, x) if doubles else x],
                    "bits": c.entry_bits,
                    "name": f"entry{i}",
                    "subtract": minuses[table],
                }
            )
        sums = device.add_all(m, additions)
        for i, (total, entry) in enumerate(zip(totals, sums, strict=True)):
            m.d.comb += self.entries[i].eq(total)
            with m.If(clears[i % c.tables]):
                m.d.sync += total.eq(0)
            with m.Elif(arrivals[i % c.tables]):
                m.d.sync += total.eq(entry)
        return m

    def _offered(self, table: int, row: int) -> Value:
        """The activation of a table and row in the present transfer."""
        c = self._config
        at = (table * c.rows + row) * c.act_elem_bits
        return self.x.payload[at : at + c.act_bits]
