"""The bit-serial array: both operands as bit planes, AND and popcount."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Signal
from amaranth.lib.wiring import Component, connect, flipped

from .adder_tree import add_tree
from .config import Config, bits_for
from .operand_banks import OperandBanks
from .processing_element import ProcessingElementSignature, delayed_rows

__all__ = ["BitSerialArray"]


class BitSerialArray(Component):
    """Meets every weight plane with every activation plane, the highest one first.

    A weight bit means +1 or -1, an activation bit x_kj is worth ``2**j`` and the highest one
    ``-2**j`` (two's complement), so that activation plane j adds

        t_j = 2 * popcount(w & x_j) - popcount(x_j) = sum_k (+-1)_k x_kj

    and the plane sum is ``sum_j +-2**j t_j``, by Horner's rule one plane a cycle. A product of
    b-bit weights with a-bit activations costs ``a * b`` passes, for any a up to `Config.act_bits`.

    Method: bit-serial matrix multiplication of BISMO (Umuroglu et al., FPL 2018).

    Latency: `latency` cycles from the last activation plane of a weight word to its sums. A K
    block is loaded in one cycle into one of two banks.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        super().__init__(ProcessingElementSignature(config))

    @property
    def latency(self) -> int:
        """Cycles from the last pass of a weight word to its plane sums."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.banks = banks = OperandBanks(c)
        connect(m, flipped(self.x), banks.x)
        m.d.comb += [
            banks.release.eq(self.control.valid & self.control.release),
            self.loaded.eq(banks.loaded),
        ]
        count_bits = bits_for(c.k_block + 1)
        first, valid = Signal(reset_less=True), Signal()
        m.d.sync += [first.eq(self.control.act_first), valid.eq(self.control.valid)]
        later = delayed_rows(m, c, banks.rows, self.latency)
        for row in range(c.rows):
            plane = self._plane(m, banks.elements(row), row)
            ones = Signal(count_bits, name=f"ones{row}", reset_less=True)
            m.d.sync += ones.eq(add_tree(list(plane)))
            self._horner(m, self.rows[row].sum_x, ones, first, valid)
            if c.act_exponent_bits:
                m.d.comb += self.rows[row].exponent.eq(later[row].exponent)
            for lane in range(c.lanes):
                weights = self.weights[lane * c.k_block : (lane + 1) * c.k_block]
                both = Signal(count_bits, name=f"both{row}_{lane}", reset_less=True)
                m.d.sync += both.eq(add_tree(list(plane & weights)))
                term = (both << 1) - ones
                self._horner(m, self.sums[row * c.lanes + lane], term, first, valid)
        return m

    def _plane(self, m: Module, elements: list, row: int) -> Signal:
        """The chosen bit of every activation of `row`."""
        plane = Signal(self._config.k_block, name=f"plane{row}")
        for k, element in enumerate(elements):
            m.d.comb += plane[k].eq(Array(element)[self.control.act_plane])
        return plane

    @staticmethod
    def _horner(m: Module, total, term, first, valid) -> None:
        """``total = -term`` for the sign plane, ``2 * total + term`` for those that follow."""
        with m.If(valid):
            with m.If(first):
                m.d.sync += total.eq(-term)
            with m.Else():
                m.d.sync += total.eq((total << 1) + term)
