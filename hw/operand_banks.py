"""Two banks of activations for the elements that keep them as they are, without tables."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .adder_tree import add_tree
from .config import Config
from .processing_element import ProcessingElement, row_terms

__all__ = ["BankTurns", "OperandBanks"]


class BankTurns(Component):
    """Whose turn it is: a writer fills the banks in turn, a reader empties them in turn.

    With a single bank, each waits for the other. `free` is high while the writer may begin (`take`)
    another bank; a bank can be filled again from the cycle after its `release` on. `read_bank` is
    the oldest bank.
    """

    def __init__(self, banks: int = 2) -> None:
        self._banks = banks
        super().__init__({"free": Out(1), "take": In(1), "release": In(1), "read_bank": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(2, init=self._banks)
        m.d.sync += count.eq(count + self.release - self.take)
        m.d.comb += self.free.eq(count != 0)
        if self._banks > 1:
            with m.If(self.release):
                m.d.sync += self.read_bank.eq(~self.read_bank)
        return m


class OperandBanks(Component):
    """Takes a K block of activations a transfer; shows the oldest one until `release`.

    Latency: one cycle from a transfer on `x` to `loaded`, when the bank can be used.

    Attributes
    ----------
    x : In(stream of act_word_bits)
        ``[k_block][rows]`` activations.
    release : In(1)
        The last use of the shown block is in this cycle.
    block : Out(act_word_bits)
    rows : Out
        `hw.processing_element.row_terms` of the shown block.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "x": In(stream.Signature(config.act_word_bits)),
                "release": In(1),
                "loaded": Out(1),
                "block": Out(config.act_word_bits),
                "rows": Out(data.ArrayLayout(row_terms(config), config.rows)),
            }
        )

    def serve(self, m: Module, element: ProcessingElement) -> None:
        """Connect to the ports of the element that uses the banks."""
        connect(m, flipped(element.x), self.x)
        m.d.comb += [
            self.release.eq(element.control.valid & element.control.release),
            element.loaded.eq(self.loaded),
        ]

    def elements(self, row: int, block: Value | None = None) -> list:
        """The activations ``[k_block]`` of `row` in `block`, or in the one that is shown."""
        c, block = self._config, self.block if block is None else block
        places = [(k * c.rows + row) * c.act_elem_bits for k in range(c.k_block)]
        return [block[at : at + c.act_bits].as_signed() for at in places]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.turns = turns = BankTurns()
        write_bank = Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.x.valid & turns.free),
            self.x.ready.eq(turns.free),
            turns.take.eq(take),
            turns.release.eq(self.release),
        ]
        m.d.sync += self.loaded.eq(take)
        banks = [Signal(c.act_word_bits, name=f"bank{i}", reset_less=True) for i in range(2)]
        with m.If(take):
            m.d.sync += write_bank.eq(~write_bank)
            for i, bank in enumerate(banks):
                with m.If(write_bank == i):
                    m.d.sync += bank.eq(self.x.payload)
        m.d.comb += self.block.eq(Mux(turns.read_bank, banks[1], banks[0]))
        for row in range(c.rows):
            m.d.comb += self.rows[row].sum_x.eq(add_tree(self.elements(row)))
            if c.act_exponent_bits:
                at = c.act_word_bits - 8 * (c.rows - row)
                m.d.comb += self.rows[row].exponent.eq(self.block[at : at + c.act_exponent_bits])
        return m
