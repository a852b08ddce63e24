"""The plane list that PLANES sets: checked once, then read by every LMMA."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from .config import Config, bits_for
from .isa import LAYOUTS, MAX_PLANES, Opcode

__all__ = ["PlaneList", "kept_planes"]


def kept_planes(config: Config) -> int:
    """Planes that are kept: with `Config.compact` only as many as the largest weight can have.

    Each adds at least 1 to the magnitude, so that a longer list is found to be too large.
    """
    return min(MAX_PLANES, config.max_magnitude) if config.compact else MAX_PLANES


class PlaneList(Component):
    """Holds the settings of the last PLANES instruction.

    Before it takes effect it is checked that no accumulator can overflow: the magnitude
    ``m = (m << shift) + 1`` over all planes is at most `Config.max_magnitude`, every shift at
    most `max_shift`, and ``|coefficient| <= 2**max_weight_bits``. Only digits of -1 and +1 are
    halved; elements with integer digits refuse it.

    Latency: `done` or `wrong` strobes at most ``2 * count`` cycles after `start`.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(LAYOUTS[Opcode.PLANES]),
                "done": Out(1),
                "wrong": Out(1),
                "planes": Out(LAYOUTS[Opcode.PLANES]["planes"].shape),
                "count": Out(5),
                "halve": Out(1),
                "coefficient": Out(signed(config.coefficient_bits)),
                "act_planes": Out(5),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, limit = self._config, 2**self._config.max_weight_bits
        new = self.instruction
        coefficient = new.coefficient.as_signed()
        most_act_planes = c.act_bits if c.pe == "bitserial" else 1
        most_planes = kept_planes(c)
        with m.If(self.start):
            m.d.sync += [
                self.planes.as_value().eq(new.planes.as_value()[: 4 * most_planes]),
                self.halve.eq(new.halve),
                self.coefficient.eq(coefficient),
                self.act_planes.eq(1 if c.compact and most_act_planes == 1 else new.act_planes),
            ]
        # Two cycles a plane: the magnitude with it, then whether that is too much.
        step, checking, adding = Signal(5, reset_less=True), Signal(), Signal(reset_less=True)
        magnitude = Signal(c.max_weight_bits, reset_less=True)
        larger = Signal(c.max_weight_bits + 8, reset_less=True)
        plane = Signal(self.planes[0].shape(), reset_less=True)
        bad = Signal(reset_less=True)
        bad_list = (new.count == 0) | (new.count > MAX_PLANES)
        bad_acts = (new.act_planes == 0) | (new.act_planes > most_act_planes)
        bad_halve = new.halve & (c.digit_bits > 1)
        bad_coefficient = (coefficient > limit) | (coefficient < -limit)
        with m.If(self.start):
            m.d.sync += [
                checking.eq(1), adding.eq(1), step.eq(0), magnitude.eq(0), plane.eq(new.planes[0]),
                bad.eq(bad_list | bad_acts | bad_halve | bad_coefficient),
            ]  # fmt: skip
        with m.If(checking & adding):
            m.d.sync += [
                adding.eq(0),
                larger.eq((magnitude << plane.shift) + 1),
                step.eq(step + 1),
            ]
        with m.If(checking & ~adding):
            with m.If(bad | (larger > c.max_magnitude) | (plane.shift > c.max_shift)):
                m.d.comb += self.wrong.eq(1)
            with m.Elif(step == new.count):
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.count.eq(new.count), checking.eq(0)]
            with m.Else():
                m.d.sync += [
                    adding.eq(1),
                    magnitude.eq(larger),
                    plane.eq(self.planes[step[: bits_for(most_planes)]]),
                ]
        with m.If(self.wrong):
            m.d.sync += [checking.eq(0), self.count.eq(0)]
        return m
