"""The array whose area is estimated: everything that grows with the number of products."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ...hw.config import Config
from ...hw.plane_accumulator import PlaneAccumulator, PlaneControl
from ...hw.processing_element import PEControl, ProcessingElement, create_processing_element
from ...hw.rescale import Rescale

__all__ = ["WholeArray"]


class WholeArray(Component):
    """Processing element, plane accumulators and rescale, as `hw.compute.Compute` connects them.

    Counted: tables and their builders, or the operand banks of an element without tables; the
    selection or multiplication of every product; trees; accumulators; zero point and group
    scale of every output. Not counted, because they are the same for every element of equal
    throughput: buffers, sequencers, bus, control. Weights and group parameters arrive at ports, as
    they do from the buffers' output registers.

    Where a weight is a single digit (``max_weight_bits`` of them fit one), planes are never added
    up, and `hw.plane_accumulator` has no adder: an array of multipliers, or of trits, is not
    charged for planes that it does not need. Nor for halving the sum (`halve` is tied to 0), which
    only digits of -1 and +1 ask for.

    Latency: that of the element, + 1 (planes), + that of `hw.rescale.Rescale`.

    Parameters
    ----------
    config : Config
    element : ProcessingElement, optional
        In place of the one that `config` names.
    """

    def __init__(self, config: Config, element: ProcessingElement | None = None) -> None:
        self._config = c = config
        self._element = element or create_processing_element(c)
        super().__init__(
            {
                "x": In(stream.Signature(c.feed_bits)),
                "loaded": Out(1),
                "control": In(PEControl),
                "weights": In(c.weight_word_bits),
                "plane": In(PlaneControl),
                "complete": In(1),
                "halve": In(1),
                "group": In(1),
                "coefficient": In(c.coefficient_bits),
                "parameters": In(c.scale_word_bits),
                "out_valid": Out(1),
                "values": Out(data.ArrayLayout(c.scaled_bits, c.rows * c.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.element = element = self._element
        m.submodules.planes = planes = PlaneAccumulator(c)
        m.submodules.rescale = rescale = Rescale(c)
        connect(m, flipped(self.x), element.x)
        m.d.comb += [
            self.loaded.eq(element.loaded),
            element.control.eq(self.control),
            element.weights.eq(self.weights),
            planes.control.eq(self.plane),
            planes.sums.eq(element.sums),
            planes.signs.eq(element.signs),
            rescale.valid.eq(self.complete),
            rescale.halve.eq(self.halve if c.digit_bits == 1 and c.pe != "lut3" else 0),
            rescale.group.eq(self.group),
            rescale.coefficient.eq(self.coefficient),
            rescale.parameters.eq(self.parameters),
            rescale.acc.eq(planes.acc),
            rescale.acc_signs.eq(planes.acc_signs),
            rescale.rows.eq(element.rows),
            self.out_valid.eq(rescale.out_valid),
            self.values.eq(rescale.values),
        ]
        return m
