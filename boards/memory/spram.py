"""The large single-port RAMs of an iCE40 UltraPlus."""

from __future__ import annotations

from amaranth.hdl import Array, ClockSignal, Instance, Module, Signal
from amaranth.lib.wiring import Component, In, connect, flipped

from .beat_port import BeatPort
from .block_ram import BlockRam

__all__ = ["SPRAM_WORDS", "Spram"]

#: 32-bit words of one pair of RAMs (16 bits each); an UP5K has two pairs.
SPRAM_WORDS = 16384


class Spram(Component):
    """Up to 128 KiB in SB_SPRAM256KA blocks; ordinary memory where there is no platform.

    Synthesis does not find these blocks by itself (Lattice FPGA-TN-02022, "Memory Usage Guide for
    iCE40 Devices").

    Latency: as `BlockRam`.

    Parameters
    ----------
    depth : int
        32-bit words, a multiple of 16384 up to 32768.

    Attributes
    ----------
    port : In(BeatPort)

    Raises
    ------
    ValueError
        `depth` is something else.
    """

    def __init__(self, depth: int) -> None:
        if depth not in (SPRAM_WORDS, 2 * SPRAM_WORDS):
            raise ValueError(f"Depth must be 16384 or 32768 words, not {depth!r}")
        self._depth = depth
        super().__init__({"port": In(BeatPort(32, depth))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.port
        if platform is None:
            m.submodules.stand_in = ram = BlockRam(32, self._depth)
            connect(m, flipped(port), ram.port)
            return m
        pairs = self._depth // SPRAM_WORDS
        pair, shown = port.address[14:], Signal(1)
        outputs = Array(Signal(32, name=f"pair_{i}") for i in range(pairs))
        for i in range(pairs):
            for half in range(2):
                strobes = port.strobe[2 * half : 2 * half + 2]
                m.submodules[f"spram_{i}_{half}"] = Instance(
                    "SB_SPRAM256KA",
                    i_CLOCK=ClockSignal(),
                    i_ADDRESS=port.address[:14],
                    i_DATAIN=port.data.word_select(half, 16),
                    i_MASKWREN=_doubled(strobes),
                    i_WREN=port.write,
                    i_CHIPSELECT=port.valid & (pair == i),
                    i_STANDBY=0,
                    i_SLEEP=0,
                    i_POWEROFF=1,  # low switches the block off
                    o_DATAOUT=outputs[i][16 * half : 16 * half + 16],
                )
        m.d.comb += [port.ready.eq(1), port.read_data.eq(outputs[shown if pairs > 1 else 0])]
        m.d.sync += [port.read_valid.eq(port.valid & ~port.write), shown.eq(pair)]
        return m


def _doubled(strobes):
    """Each byte's strobe twice: the mask counts half bytes."""
    return (strobes[0].replicate(2)) | (strobes[1].replicate(2) << 2)
