"""Requests to memory, and their split into the bursts that AXI4 allows."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .adder_tree import add_tree
from .axi import BURST_BYTES
from .config import Config, bits_for

__all__ = [
    "Bursts",
    "MemoryRequest",
    "beat_address_bits",
    "burst_beats",
    "request_beats",
    "row_beats",
]

#: Longest INCR burst of AXI4 (ARM IHI 0022, A3.4.1).
_AXI4_BEATS = 256


def beat_address_bits(config: Config) -> int:
    """Low address bits within one beat; they are 0 in every request."""
    return bits_for(config.axi_bits // 8)


def burst_beats(config: Config) -> int:
    """Longest burst in beats: 256, or fewer where 4 KiB are fewer beats."""
    return min(_AXI4_BEATS, BURST_BYTES * 8 // config.axi_bits)


def request_beats(config: Config) -> int:
    """Most beats that one instruction can move: a whole buffer."""
    loads = (
        (config.act_word_bits, config.act_depth),
        (config.weight_word_bits, config.weight_depth),
        (config.scale_word_bits, config.scale_depth),
        (config.psum_word_bits, config.psum_depth),
    )
    return max(depth * config.beats_per_row(bits) for bits, depth in loads)


def row_beats(rows: Value, beats: int) -> Value:
    """``rows * beats`` for a constant, of adders.

    Given a product, synthesisers take a multiplier block, somewhere else on the chip.
    """
    return add_tree([rows << bit for bit in range(beats.bit_length()) if beats >> bit & 1])


def MemoryRequest(config: Config) -> data.StructLayout:  # noqa: N802 (a layout, used like a class)
    """Contiguous memory: `address` of its first byte, a multiple of the beat, and `beats`."""
    return data.StructLayout(
        {"address": config.addr_bits, "beats": bits_for(request_beats(config) + 1)}
    )


class Bursts(Component):
    """Splits requests into bursts that end at multiples of the longest burst.

    With a longest burst of ``2**k`` beats that divides 4 KiB, the burst at beat address `a` covers
    ``min(remaining, 2**k - a % 2**k)`` beats, and so never crosses a 4 KiB boundary
    (ARM IHI 0022, A3.4.1).

    Latency: the first burst of a request comes one cycle after it was taken, then one burst a
    cycle; the next request is taken one cycle after the last of them.

    Parameters
    ----------
    config : Config
    beats : int
        Longest burst, a power of two from 1 to `burst_beats`.

    Attributes
    ----------
    requests : In(stream of `MemoryRequest`)
        At least one beat each.
    bursts : Out(stream)
        `address`, `length` (beats - 1, as AXI4 encodes it), `last` of its request.

    Raises
    ------
    ValueError
        `beats` is no such power of two.
    """

    def __init__(self, config: Config, *, beats: int) -> None:
        if not 1 <= beats <= burst_beats(config) or beats & (beats - 1):
            raise ValueError(
                f"Beats must be a power of two from 1 to {burst_beats(config)}, not {beats!r}"
            )
        self._config = config
        self._beats = beats
        super().__init__(
            {
                "requests": In(stream.Signature(MemoryRequest(config))),
                "bursts": Out(
                    stream.Signature(
                        data.StructLayout({"address": config.addr_bits, "length": 8, "last": 1})
                    )
                ),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, inner = beat_address_bits(self._config), bits_for(self._beats)
        request, burst = self.requests.payload, self.bursts.payload

        offset = Signal(inner, reset_less=True)  # of the next burst, in beats
        block = Signal(self._config.addr_bits - low - inner, reset_less=True)
        rest = Signal.like(request.beats, reset_less=True)  # beats, less one
        active = Signal()
        room = ~offset  # to the end of the block, less one
        m.d.comb += [
            burst.last.eq((rest[inner:] == 0) & (rest[:inner] <= room)),
            burst.address.eq(Cat(offset, block) << low),
            burst.length.eq(Mux(burst.last, rest[:inner], room)),
            self.bursts.valid.eq(active),
            self.requests.ready.eq(~active),
        ]
        with m.If(active & self.bursts.ready):
            m.d.sync += [
                block.eq(block + 1), offset.eq(0), rest.eq(rest - room - 1),
                active.eq(~burst.last),
            ]  # fmt: skip
        with m.If(~active):
            m.d.sync += [
                active.eq(self.requests.valid),
                Cat(offset, block).eq(request.address >> low),
                rest.eq(request.beats - 1),
            ]
        return m
