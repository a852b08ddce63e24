"""A processing element gives the plane sums of its activations and digits, whatever they are."""

from __future__ import annotations

from itertools import product

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from ...hw.adder_tree import signed_tree
from ...hw.bitserial_array import BitSerialArray
from ...hw.config import Config
from ...hw.digits import digit_range, encode_digits
from ...hw.direct_array import DirectArray
from ...hw.lut_array import LUTArray
from ...hw.operand_banks import BankTurns, OperandBanks
from ...hw.table_builder import TableBuilder
from .faults import Fault
from .harness import Harness, transfer

__all__ = ["ElementHarness", "element_faults"]

_CLASSES = {
    "lut": LUTArray, "lut3": LUTArray, "bitserial": BitSerialArray,
    "add": DirectArray, "mac": DirectArray, "shiftadd": DirectArray,
}  # fmt: skip


_BANKS = "self.free.eq(count != 0)", "self.free.eq(1)"
_TREE = Fault(
    signed_tree, ".as_signed() + controls[u])", ".as_signed())", breaks="product"
)  # fmt: skip
_OVERWRITTEN = Fault(OperandBanks, *_BANKS, breaks="room")
_TABLES = {
    "wrong sign in a table": Fault(
        TableBuilder, "minus.eq(column(lambda s: s.factor < 0))",
        "minus.eq(column(lambda s: s.factor > 0))", breaks="product",
    ),
    "first activation twice": Fault(
        TableBuilder, "controls.first.eq(step == 0)", "controls.first.eq(0)", breaks="product"
    ),
    "tables overwritten": Fault(BankTurns, *_BANKS, breaks="room"),
}  # fmt: skip
_FAULTS: dict[str, dict[str, Fault]] = {
    "lut": {**_TABLES, "negation off by one": _TREE},
    "lut3": _TABLES,
    "add": {"negation off by one": _TREE, "block overwritten": _OVERWRITTEN},
    "mac": {
        "digit without sign": Fault(
            DirectArray, "x * digit.as_signed()", "x * digit", breaks="product"
        ),
        "block overwritten": _OVERWRITTEN,
    },
    "shiftadd": {
        "digit without sign": Fault(
            DirectArray, "add_tree(copies[:-1]) - copies[-1]",
            "add_tree(copies[:-1]) + copies[-1]", breaks="product",
        ),
        "block overwritten": _OVERWRITTEN,
    },
    "bitserial": {
        "wrong sign of the highest plane": Fault(
            BitSerialArray, "total.eq(-term)", "total.eq(term)", breaks="product"
        ),
        "block overwritten": _OVERWRITTEN,
    },
}  # fmt: skip


def element_faults(config: Config) -> dict[str, Fault]:
    """What the proof of this element has to find."""
    return _FAULTS[config.pe]


class ElementHarness(Harness):
    """Any K blocks, any digits in every weight word, any stalls of both.

    Beside the element lie copies of the K blocks it took, and the digits that its weight words
    were encoded from: by `hw.digits.encode_digits`, which the host uses, for each
    of the digit vectors there are. What the element gives has to be the sum of their products.
    Words come while a block is there, and any of them may be its last.

    Parameters
    ----------
    config : Config
        Of an element small enough: all digit vectors of a lane are listed.
    """

    def __init__(self, fault: str | None = None, *, config: Config) -> None:
        super().__init__(fault, element_faults(config))
        self._config = config

    def build(self, m: Module) -> None:
        c = self._config
        m.submodules.dut = dut = self.component(_CLASSES[c.pe])(c)
        m.d.comb += [
            dut.x.valid.eq(self.anything(name="x_valid")),
            dut.x.payload.eq(self.anything(c.act_word_bits, name="x")),
        ]
        self.assume_offered(dut.x)

        # Two banks, filled and read in turn.
        control = dut.control
        blocks = [Signal(c.act_word_bits, name=f"block{i}") for i in range(2)]
        write, read, ready = Signal(name="write"), Signal(name="read"), Signal(3, name="ready")
        released = Signal(name="released")
        m.d.comb += released.eq(control.valid & control.release)
        m.d.sync += ready.eq(ready + dut.loaded - released)
        with m.If(transfer(dut.x)):
            m.d.sync += write.eq(~write)
            for i, block in enumerate(blocks):
                with m.If(write == i):
                    m.d.sync += block.eq(dut.x.payload)
        with m.If(released):
            m.d.sync += read.eq(~read)
        inside = Signal(3, name="inside")
        m.d.sync += inside.eq(inside + transfer(dut.x) - released)
        self.claim("room", ~transfer(dut.x) | (inside < 2))
        valid = self.anything(name="word_valid") & (ready != 0)
        m.d.comb += control.valid.eq(valid)
        final = self._passes(m, dut)
        m.d.comb += control.release.eq(final & self.anything(name="release"))

        block = Mux(read, blocks[1], blocks[0])
        due = self._later(m, valid & final, dut.latency)
        for lane in range(c.lanes):
            digits, stored = self._digits(m, lane, valid)
            width = len(stored)
            m.d.comb += dut.weights[lane * width : (lane + 1) * width].eq(stored)
            for row in range(c.rows):
                total = sum(
                    (d * x for d, x in zip(digits, self._inputs(block, row), strict=True)),
                    Const(0),
                )
                wanted = self._later(m, total, dut.latency)
                sums = dut.sums[row * c.lanes + lane]
                got = Mux(dut.signs[lane], -sums, sums)
                self.claim(f"product_{row}_{lane}", ~due | (got == wanted))
        for row in range(c.rows):
            sum_x = self._later(m, sum(self._inputs(block, row), Const(0)), dut.latency)
            self.claim(f"sum_x_{row}", ~due | (dut.rows[row].sum_x == sum_x))

    def _passes(self, m: Module, dut) -> Value:
        """A bit-serial element meets a word once for each activation bit."""
        c, control = self._config, dut.control
        if c.pe != "bitserial":
            m.d.comb += [control.act_first.eq(1), control.act_last.eq(1)]
            self._first = Const(1)
            return Const(1)
        place = Signal(range(c.act_bits), name="place")
        m.d.comb += [
            control.act_plane.eq(c.act_bits - 1 - place),
            control.act_first.eq(place == 0),
            control.act_last.eq(place == c.act_bits - 1),
        ]
        self._first = control.act_first
        with m.If(control.valid):
            m.d.sync += place.eq(Mux(control.act_last, 0, place + 1))
        return control.act_last

    def _digits(self, m: Module, lane: int, valid: Value) -> tuple[list[Value], Value]:
        """Digits of the solver's choice, and what the host would store for them."""
        c = self._config
        low, high, step = digit_range(c)
        values = range(low, high + 1, step)
        vectors = np.array(list(product(values, repeat=c.k_block)), np.int8)
        words = encode_digits(np.repeat(vectors[:, None], c.lanes, 1), c)
        bits = c.weight_word_bits // c.lanes
        shape = data.StructLayout(
            {"digits": data.ArrayLayout(signed(c.digit_bits + 1), c.k_block), "stored": bits}
        )
        choice = self.anything(range(len(vectors)), name=f"choice{lane}")
        self.assume(choice < len(vectors))
        if c.pe == "bitserial":
            chosen = Signal.like(choice, name=f"chosen{lane}")
            with m.If(valid):
                m.d.sync += chosen.eq(choice)
            self.assume(self._first | (choice == chosen))
        entry = Signal(shape, name=f"entry{lane}")
        with m.Switch(choice):
            for i, (vector, word) in enumerate(zip(vectors, words, strict=True)):
                stored = int("".join(str(bit) for bit in word[bits - 1 :: -1]), 2)
                constant = shape.const({"digits": vector.tolist(), "stored": stored})
                with m.Case(i):
                    m.d.comb += entry.eq(constant)
        return [entry.digits[k] for k in range(c.k_block)], entry.stored

    def _inputs(self, block: Value, row: int) -> list[Value]:
        c = self._config
        places = [(k * c.rows + row) * c.act_elem_bits for k in range(c.k_block)]
        return [block[at : at + c.act_bits].as_signed() for at in places]

    @staticmethod
    def _later(m: Module, value: Value, cycles: int) -> Value:
        for _ in range(cycles):
            register = Signal(value.shape(), name="later")
            m.d.sync += register.eq(value)
            value = register
        return value
