"""Builds the tables of a K block from a stream of activations: an adder a table, and no more."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .build_schedule import build_schedule
from .config import Config
from .devices import device_of

__all__ = ["StreamBuilder"]


class StreamBuilder(Component):
    """Fills one bank of ``rows * tables`` tables at a time, one entry a transfer.

    The k-th transfer of a K block holds, for every table and row, the activation that step k of
    `hw.build_schedule` adds. The first is taken from the cycle after `free` on, the others at once;
    between the last of one block and the first of the next there is one cycle, in which the sums
    are cleared.

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
                "write": Out(1),
                "bank": Out(1),
                "index": Out(c.index_bits),
                "entries": Out(data.ArrayLayout(signed(c.entry_bits), c.rows * c.tables)),
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
        m.d.comb += [
            first.eq(step == 0),
            last.eq(step == len(schedule) - 1),
            self.x.ready.eq(ready),
            fire.eq(self.x.valid & self.x.ready),
            self.take.eq(fire & first),
            self.done.eq(arrived & ended),
        ]
        # A register of its own: the enable of the activation buffer hangs on it.
        m.d.sync += arrived.eq(fire)
        with m.If(fire & last):
            m.d.sync += ready.eq(0)
        with m.Elif(self.free):
            m.d.sync += ready.eq(1)
        with m.If(fire):
            m.d.sync += [step.eq(Mux(last, 0, step + 1)), ended.eq(last)]

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
        m.d.comb += [self.write.eq(arrived & written), self.index.eq(index), self.bank.eq(bank)]
        if c.table_banks > 1:
            with m.If(self.done):
                m.d.sync += bank.eq(~bank)

        slice_ = Signal(c.slice_bits, reset_less=True)
        m.d.sync += slice_.eq(self.x.payload)  # looked at in the cycle after `fire` only
        # Each table's own: sums are cleared where nothing is added, and before a block's first.
        clears = device.copies(m, Mux(fire, adds_nothing, first), c.tables, name="clears")
        arrivals = device.copies(m, fire, c.tables, name="arrivals")
        totals, additions = [], []
        for row in range(c.rows):
            for table in range(c.tables):
                i = row * c.tables + table
                at = (table * c.rows + row) * c.act_elem_bits
                x = slice_[at : at + c.act_bits].as_signed()
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
