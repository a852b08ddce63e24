"""Arrays without tables: every weight digit meets its activation, and a tree adds them up."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed

from .adder_tree import add_tree, signed_tree
from .devices import device_of
from .operand_banks import OperandBanks
from .processing_element import ProcessingElement, delayed_rows

__all__ = ["DirectArray", "shift_add_product"]


class DirectArray(ProcessingElement):
    """M rows, N lanes and ``k_block`` products a row and lane, added in a tree.

    The weight word holds, per lane and activation,

    - `add`: one bit, the add/subtract bit of a tree whose leaves are the activations themselves
      (digits -1 and +1; the `lut` element with lookup groups of one);
    - `mac`: a two's complement digit of `Config.digit_bits`, multiplied (``*``, for the
      synthesiser to map to logic or to a DSP block);
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
        word, blocks = self.weights, [banks.block] * c.lanes
        if c.operand_registers:
            word = Signal.like(self.weights, name="word", reset_less=True)
            m.d.sync += word.eq(self.weights)
            blocks = device_of(c).copies(m, banks.block, c.lanes, name="block")
        signs = Signal(c.lanes)
        for lane in range(c.lanes):
            at = lane * c.k_block * c.digit_bits
            digits = [word[at + k * c.digit_bits :][: c.digit_bits] for k in range(c.k_block)]
            inputs = [banks.elements(row, blocks[lane]) for row in range(c.rows)]
            if c.pe == "add":
                m.d.comb += signs[lane].eq(digits[0])
            for row, xs in enumerate(inputs):
                name = f"tree_{row}_{lane}"
                if c.pe == "add":
                    leaves, subtract, bits = xs, digits, c.act_bits
                else:
                    leaves = self._products(m, xs, digits, name)
                    subtract, bits = None, len(leaves[0])
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

    def _products(self, m: Module, xs: list, digits: list, name: str) -> list[Signal]:
        c = self._config
        domain = m.d.sync if self.registered_products else m.d.comb
        products = []
        for k, (x, digit) in enumerate(zip(xs, digits, strict=True)):
            bits = c.act_bits + c.digit_bits
            product = Signal(signed(bits), name=f"{name}_product{k}", reset_less=True)
            if c.digit_bits == 1:
                value = Mux(digit, x, -x)
            elif c.pe == "mac":
                value = x * digit.as_signed()
            else:
                value = shift_add_product(x, digit)
            domain += product.eq(value)
            products.append(product)
        return products


def shift_add_product(x: Value, digit: Value) -> Value:
    """``x * digit`` for a two's complement digit: shifted copies of x, added; the top one less."""
    copies = [Mux(digit[i], x << i, 0) for i in range(len(digit))]
    if len(copies) == 1:
        return -copies[0]
    return add_tree(copies[:-1]) - copies[-1]
