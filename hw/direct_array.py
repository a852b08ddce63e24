"""Arrays without tables: every weight digit meets its activation, and a tree adds them up."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed

from .adder_tree import add_tree, signed_tree
from .devices import device_of
from .operand_banks import OperandBanks
from .processing_element import ProcessingElement, delayed_rows
from .shared_multiplier import lanes_of_a_multiplier, shared_products

__all__ = ["DirectArray", "shift_add_product"]


class DirectArray(ProcessingElement):
    """M rows, N lanes and ``k_block`` products a row and lane, added in a tree.

    The weight word holds, per lane and activation,

    - `add`: one bit, the add/subtract bit of a tree whose leaves are the activations themselves
      (digits -1 and +1; the `lut` element with lookup groups of one);
    - `mac`: a two's complement digit of `Config.digit_bits`, multiplied (``*``, for the
      synthesiser to map to logic or to a DSP block, which lanes share where it is wide enough);
    - `shiftadd`: the same digit, its product a sum of shifted activations, as in MixPE (Zhang et
      al. 2024).

    A digit of one bit means -1 or +1 for `mac` and `shiftadd` too, in which case the multiplier
    is a negation.

    Latency: see `latency`; one weight word a cycle.
    """

    #: Whether every product of `mac` and `shiftadd` goes through a register of its own.
    registered_products = True

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._config
        m.submodules.banks = banks = OperandBanks(c)
        banks.serve(m, self)
        word, together = self.weights, lanes_of_a_multiplier(c)
        groups = [range(c.lanes)[at : at + together] for at in range(0, c.lanes, together)]
        blocks = [banks.block] * len(groups)
        if c.operand_registers:
            word = Signal.like(self.weights, name="word", reset_less=True)
            m.d.sync += word.eq(self.weights)
            blocks = device_of(c).copies(m, banks.block, len(groups), name="block")
        signs = Signal(c.lanes)
        for lanes, block in zip(groups, blocks, strict=True):
            digits = [
                [word[(lane * c.k_block + k) * c.digit_bits :][: c.digit_bits] for lane in lanes]
                for k in range(c.k_block)
            ]
            inputs = [banks.elements(row, block) for row in range(c.rows)]
            if c.pe == "add":
                m.d.comb += signs[lanes[0]].eq(digits[0][0])
            for row, xs in enumerate(inputs):
                names = [f"tree_{row}_{lane}" for lane in lanes]
                if c.pe == "add":
                    of_lanes, bits = [xs], c.act_bits
                    subtract = [digit[0] for digit in digits]
                else:
                    of_lanes = self._products(m, xs, digits, names)
                    subtract, bits = None, c.act_bits + c.digit_bits
                for lane, name, leaves in zip(lanes, names, of_lanes, strict=True):
                    total = signed_tree(
                        m, leaves, subtract, every=c.tree_pipeline, name=name, bits=bits
                    )
                    m.d.comb += self.sums[row * c.lanes + lane].eq(total)

        for cycle in range(self.latency):
            later = Signal(c.lanes, name=f"signs{cycle}", reset_less=True)
            m.d.sync += later.eq(signs)
            signs = later
        rows = delayed_rows(m, c, banks.rows, self.latency)
        m.d.comb += [self.signs.eq(signs), self.rows.eq(rows)]
        return m

    def _products(
        self, m: Module, xs: list[Value], digits: list[list[Value]], names: list[str]
    ) -> list[list[Signal]]:
        """Products of one row and the lanes that share its multipliers: of each lane, one an x."""
        c = self._config
        domain = m.d.sync if self.registered_products else m.d.comb
        products: list[list[Signal]] = [[] for _ in names]
        for k, (x, of_lanes) in enumerate(zip(xs, digits, strict=True)):
            if c.digit_bits == 1:
                values = [Mux(digit, x, -x) for digit in of_lanes]
            elif c.pe == "mac":
                values = shared_products(x, of_lanes)
            else:
                values = [shift_add_product(x, digit) for digit in of_lanes]
            for name, of_lane, value in zip(names, products, values, strict=True):
                bits = c.act_bits + c.digit_bits
                product = Signal(signed(bits), name=f"{name}_product{k}", reset_less=True)
                domain += product.eq(value)
                of_lane.append(product)
        return products


def shift_add_product(x: Value, digit: Value) -> Value:
    """``x * digit`` for a two's complement digit: shifted copies of x, added; the top one less."""
    copies = [Mux(digit[i], x << i, 0) for i in range(len(digit))]
    if len(copies) == 1:
        return -copies[0]
    return add_tree(copies[:-1]) - copies[-1]
