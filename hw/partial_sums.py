"""The partial-sum memory and the adders in front of it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .devices import device_of
from .interfaces import PsumRead

__all__ = ["PartialSums"]


class PartialSums(Component):
    """``psum[address] = (0 if clear else psum[address]) + values``, one word a cycle.

    `prefetch` presents the address 1 + r cycles before `values` come with `valid` (`address` and
    `clear` go with `prefetch`), r = `registers`. A word must not be prefetched while its previous
    sum is still on its way, that is in the 1 + r cycles after its last prefetch: the sequencer
    keeps such pairs apart. STORE reads through the same port whenever nothing is prefetched.

    `overflow` strobes with the word's `overflow_address` when a sum leaves the signed range of
    `Config.psum_bits`; nothing wraps silently.

    Latency: written at the end of the `valid` cycle; a STORE read answers 1 + r cycles after
    it was accepted.
    """

    #: Registers behind the memory, since the output of a block memory comes late.
    registers = 1

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
            shape=data.ArrayLayout(signed(c.psum_bits), words),
            depth=c.psum_depth,
            init=[],
            attrs={"no_rw_check": 1},
        )
        write, read = memory.write_port(), memory.read_port()
        device = device_of(c)
        address, clear, before = self.address, self.clear, self.clear
        data_valid = self.store.valid & self.store.ready
        for age in range(1 + self.registers):
            later = Signal.like(self.address, name=f"address{age}", reset_less=True)
            flags = Signal(2, name=f"flags{age}")
            m.d.sync += [later.eq(address), flags.eq(Cat(clear, data_valid))]
            before, address, clear, data_valid = clear, later, flags[0], flags[1]
        clears = device.copies(m, before, c.lanes, name="clears")
        found = Signal.like(read.data, name="found", reset_less=True)
        m.d.sync += found.eq(read.data)
        m.d.comb += [
            self.store.ready.eq(~self.prefetch),
            # Always, since what is not asked for is not kept either: no net to every block memory.
            read.en.eq(1),
            read.addr.eq(Mux(self.prefetch, self.address, self.store.address)),
            self.store.data.eq(found),
            self.store.data_valid.eq(data_valid),
            write.addr.eq(address),
            write.en.eq(self.valid),
        ]

        # Memory words are [lane][row], as STORE sends them; sums arrive as [row][lane].
        wrong = Signal(words, reset_less=True)
        for row in range(c.rows):
            for lane in range(c.lanes):
                place, i = lane * c.rows + row, row * c.lanes + lane
                old, added = found[place], Signal(signed(c.psum_bits), name=f"added{i}")
                keep = ~clears[lane]
                total = device.add(m, [added, old], bits=c.psum_bits, name=f"sum{i}", keep=keep)
                m.d.comb += [added.eq(self.values[i]), write.data[place].eq(total)]
                m.d.sync += wrong[i].eq(
                    keep & (old[-1] == added[-1]) & (total.as_signed()[-1] != added[-1])
                )
        written = Signal()
        m.d.sync += written.eq(self.valid)
        m.d.comb += self.overflow.eq(written & wrong.any())
        m.d.sync += self.overflow_address.eq(address)
        return m
