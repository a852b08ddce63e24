"""Requantisation: partial sums back to the width of an activation."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .config import Config
from .isa import LAYOUTS, Opcode

__all__ = ["MULTIPLIER_BITS", "SHIFT_BITS", "Requantise", "requantise"]

MULTIPLIER_BITS: int = LAYOUTS[Opcode.STORE]["multiplier"].width
SHIFT_BITS: int = LAYOUTS[Opcode.STORE]["shift"].width


def requantise(psums: np.ndarray, *, multiplier: int, shift: int, act_bits: int) -> np.ndarray:
    """``clip((psum * multiplier + 2**(shift - 1)) >> shift)`` to `act_bits`, as `Requantise`.

    A `shift` of 0 rounds nothing: ``clip(psum * multiplier)``.

    Parameters
    ----------
    psums : numpy.ndarray
        Integers of any shape.
    multiplier, shift : int
        As in STORE: 0 to 65535, and 0 to 63.
    act_bits : int
        Width of the result.

    Returns
    -------
    numpy.ndarray
        int64, of the shape of `psums`.
    """
    # Python's integers: 64-bit partial sums times 16 bits fit no NumPy type.
    product = np.asarray(psums).astype(object) * int(multiplier)
    rounded = (product + (1 << shift >> 1)) >> int(shift)
    limit = 1 << (act_bits - 1)
    return np.clip(rounded, -limit, limit - 1).astype(np.int64)


class Requantise(Component):
    """``clip((psum * multiplier + 2**(shift - 1)) >> shift)`` of `lanes` partial sums a cycle.

    The shifter keeps one fractional bit, ``y = (2 * product) >> shift``, and rounding is
    ``(y + 1) >> 1``: the same value as with the wide addition in front, also for ``shift = 0``.

    Latency: 3 cycles; all stages stop while the output is refused. `tag` travels along.

    Parameters
    ----------
    config : Config
    lanes : int
        Partial sums a cycle, at least 1.
    tag : data.Layout
        Whatever the caller wants back beside its results.

    Attributes
    ----------
    i : In(stream)
        `psums` (signed, `Config.psum_bits` each), `multiplier`, `shift`, `tag`.
    o : Out(stream)
        `values` (signed, `Config.requant_bits` each), `tag`.
    busy : Out(1)
        Something is on its way.

    Raises
    ------
    ValueError
        `lanes` is less than 1.
    """

    latency = 3

    def __init__(self, config: Config, *, lanes: int, tag: data.Layout) -> None:
        if not lanes >= 1:
            raise ValueError(f"Lanes must be at least 1, not {lanes!r}")
        self._config = config
        self._lanes = lanes
        psums = data.ArrayLayout(signed(config.psum_bits), lanes)
        values = data.ArrayLayout(signed(config.requant_bits), lanes)
        super().__init__(
            {
                "i": In(
                    stream.Signature(
                        data.StructLayout(
                            {
                                "psums": psums,
                                "multiplier": MULTIPLIER_BITS,
                                "shift": SHIFT_BITS,
                                "tag": tag,
                            }
                        )
                    )
                ),
                "o": Out(stream.Signature(data.StructLayout({"values": values, "tag": tag}))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, lanes = self._config, self._lanes
        product_bits = c.psum_bits + MULTIPLIER_BITS
        limit = 1 << (c.act_bits - 1)
        item = self.i.payload

        def array(width: int, name: str) -> list[Signal]:
            return [Signal(signed(width), name=f"{name}{i}", reset_less=True) for i in range(lanes)]

        products, shifted = array(product_bits, "product"), array(product_bits + 1, "shifted")
        values = array(c.requant_bits, "value")
        shift = Signal(SHIFT_BITS, reset_less=True)
        tags = [Signal.like(item.tag, name=f"tag{i}", reset_less=True) for i in range(self.latency)]
        valid, step = Signal(self.latency), Signal()

        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(step),
            self.o.valid.eq(valid[2]),
            self.o.payload.tag.eq(tags[2]),
            self.busy.eq(valid != 0),
        ]
        with m.If(step):
            m.d.sync += [
                valid.eq(valid << 1 | self.i.valid),
                shift.eq(item.shift),
                tags[0].eq(item.tag),
                tags[1].eq(tags[0]),
                tags[2].eq(tags[1]),
            ]
        for i in range(lanes):
            rounded = Signal(signed(product_bits + 1), name=f"rounded{i}")
            m.d.comb += [
                rounded.eq((shifted[i] + 1) >> 1),
                self.o.payload.values[i].eq(values[i]),
            ]
            with m.If(step & self.i.valid):
                m.d.sync += products[i].eq(item.psums[i] * item.multiplier)
            with m.If(step & valid[0]):
                m.d.sync += shifted[i].eq((products[i] << 1) >> shift)
            with m.If(step & valid[1]):
                high = Mux(rounded > limit - 1, limit - 1, rounded)
                m.d.sync += values[i].eq(Mux(rounded < -limit, -limit, high))
        return m
