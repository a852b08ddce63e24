"""The partial-sum memory and the adders in front of it."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .interfaces import PsumRead

__all__ = ["PartialSums"]


class PartialSums(Component):
    """``psum[address] = (0 if clear else psum[address]) + values``, one word a cycle.

    `prefetch` presents the address one cycle before `values` come with `valid` (`address` and
    `clear` go with `prefetch`). A word must not be prefetched in the very cycle in which its
    previous sum is still being written, that is in the cycle after its last prefetch: the sequencer
    keeps such pairs apart. STORE reads through the same port whenever nothing is prefetched.

    `overflow` strobes with the word's `overflow_address` when a sum leaves the signed range of
    `Config.psum_bits`; nothing wraps silently.

    Latency: written at the end of the `valid` cycle; a STORE read answers one cycle after
    it was accepted.
    """

    def __init__(self, config: Config) -> None:
        self._config = c = config
        address = bits_for(c.psum_depth)
        super().__init__(
            {
                "prefetch": In(1),
                "address": In(address),
                "clear": In(1),
                "valid": In(1),
                "values": In(data.ArrayLayout(signed(c.scaled_bits), c.rows * c.lanes)),
                "store": In(PsumRead(c)),
                "overflow": Out(1),
                "overflow_address": Out(address),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        words = c.rows * c.lanes
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(signed(c.psum_bits), words), depth=c.psum_depth, init=[]
        )
        write, read = memory.write_port(), memory.read_port()
        address, clear = Signal.like(self.address, reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            self.store.ready.eq(~self.prefetch),
            read.en.eq(self.prefetch | self.store.valid),
            read.addr.eq(Mux(self.prefetch, self.address, self.store.address)),
            self.store.data.eq(read.data),
            write.addr.eq(address),
            write.en.eq(self.valid),
        ]
        m.d.sync += self.store.data_valid.eq(self.store.valid & self.store.ready)
        with m.If(self.prefetch):
            m.d.sync += [address.eq(self.address), clear.eq(self.clear)]

        # Memory words are [lane][row], as STORE sends them; sums arrive as [row][lane].
        wrong = Signal(words)
        for row in range(c.rows):
            for lane in range(c.lanes):
                place, i = lane * c.rows + row, row * c.lanes + lane
                old = Signal(signed(c.psum_bits), name=f"old{i}")
                total = Signal(signed(c.psum_bits), name=f"total{i}")
                added = Signal(signed(c.psum_bits), name=f"added{i}")
                m.d.comb += [
                    old.eq(Mux(clear, 0, read.data[place])),
                    added.eq(self.values[i]),
                    total.eq(old + added),
                    write.data[place].eq(total),
                    wrong[i].eq((old[-1] == added[-1]) & (total[-1] != old[-1])),
                ]
        m.d.sync += self.overflow.eq(self.valid & wrong.any())
        m.d.sync += self.overflow_address.eq(address)
        return m
