"""The bit-serial array: both operands as bit planes, AND or XNOR, and popcount."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Signal, signed

from .adder_tree import add_tree
from .config import bits_for
from .operand_banks import OperandBanks
from .processing_element import ProcessingElement, delayed_rows

__all__ = ["BitSerialArray"]


class BitSerialArray(ProcessingElement):
    """Meets every weight plane with every activation plane, the highest one first.

    A weight bit means +1 or -1, an activation bit x_kj is worth ``2**j`` and the highest one
    ``-2**j`` (two's complement), so that activation plane j adds

        t_j = 2 * popcount(w & x_j) - popcount(x_j) = sum_k (+-1)_k x_kj

    and the plane sum is ``sum_j +-2**j t_j``, by Horner's rule one plane a cycle. A product of
    b-bit weights with a-bit activations costs ``a * b`` passes, for any a up to `Config.act_bits`.

    With ``Config.popcount = "xnor"`` activation bits, too, mean -1 and +1, and

        t_j = 2 * popcount(~(w ^ x_j)) - k_block,      x = (sum_j +-2**j (2 b_j - 1) - 1) / 2

    so that the plane sum is ``(sum_j +-2**j t_j - sum_k w_k) / 2``, exactly.

    Method: AND and popcount as in BISMO (Umuroglu et al., FPL 2018) and ABQ-LLM (Zeng et al. 2024);
    XNOR and popcount as for bipolar integers.

    Latency: `latency` cycles from the last activation plane of a weight word to its sums. A K
    block is loaded in one cycle into one of two banks.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.banks = banks = OperandBanks(c)
        banks.serve(m, self)
        count_bits = bits_for(c.k_block + 1)
        first, valid = Signal(reset_less=True), Signal()
        m.d.sync += [first.eq(self.control.act_first), valid.eq(self.control.valid)]
        later = delayed_rows(m, c, banks.rows, self.latency)
        weight_sums = self._weight_sums(m) if c.popcount == "xnor" else []
        for row in range(c.rows):
            plane = self._plane(m, banks.elements(row), row)
            ones = Signal(count_bits, name=f"ones{row}", reset_less=True)
            m.d.sync += ones.eq(add_tree(list(plane)))
            sum_x = Signal(signed(c.sum_x_bits), name=f"sum_x{row}", reset_less=True)
            self._horner(m, sum_x, ones, first, valid)
            if c.popcount == "xnor":  # its sums take a cycle more
                m.d.sync += self.rows[row].sum_x.eq(sum_x)
            else:
                m.d.comb += self.rows[row].sum_x.eq(sum_x)
            if c.act_exponent_bits:
                m.d.comb += self.rows[row].exponent.eq(later[row].exponent)
            for lane in range(c.lanes):
                weights = self.weights[lane * c.k_block : (lane + 1) * c.k_block]
                both = Signal(count_bits, name=f"both{row}_{lane}", reset_less=True)
                place = row * c.lanes + lane
                if c.popcount == "and":
                    m.d.sync += both.eq(add_tree(list(plane & weights)))
                    term = (both << 1) - ones
                    self._horner(m, self.sums[place], term, first, valid)
                    continue
                m.d.sync += both.eq(add_tree(list(~(plane ^ weights))))
                total = Signal(signed(c.sum_bits + 1), name=f"total{place}", reset_less=True)
                self._horner(m, total, (both << 1) - c.k_block, first, valid)
                m.d.sync += self.sums[place].eq((total - weight_sums[lane]) >> 1)
        return m

    def _weight_sums(self, m: Module) -> list[Signal]:
        """``sum_k w_k`` of each lane, as late as the totals of `xnor` are."""
        c = self._config
        sums = []
        for lane in range(c.lanes):
            weights = self.weights[lane * c.k_block : (lane + 1) * c.k_block]
            count = Signal(bits_for(c.k_block + 1), name=f"set{lane}", reset_less=True)
            total = Signal(signed(bits_for(c.k_block + 1) + 2), name=f"w{lane}", reset_less=True)
            m.d.sync += [count.eq(add_tree(list(weights))), total.eq((count << 1) - c.k_block)]
            sums.append(total)
        return sums

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
