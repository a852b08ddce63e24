"""The seam between arrays and devices, and its generic side: plain Amaranth for any synthesiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import xor
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

__all__ = ["Device", "carry_of", "extended", "filled", "parity_of"]


def parity_of(parities: Sequence[Value]) -> Value:
    """Lowest bit of a sum or difference of numbers with these lowest bits."""
    return reduce(xor, parities)


def carry_of(parities: Sequence[Value], subtract: Value | None) -> Value:
    """What the lowest bits carry into the next, where the second number may be subtracted.

    Of ``a + b`` and of ``a + ~b + 1``: ``a_0 if b_0 else subtract``. Of three numbers, none
    subtracted, the majority.
    """
    if len(parities) == 3:
        a, b, c = parities
        return a & b | a & c | b & c
    a, b = parities
    return a & b if subtract is None else a & b | ~b & subtract


def extended(value: Value, bits: int) -> Value:
    """A signed value in `bits`: its sign repeated, or its highest bits cut off."""
    wide = Cat(value, value[-1].replicate(max(0, bits - len(value))))
    return wide[:bits]


def filled(value: Value, bits: int, by: int = 0) -> Value:
    """A value on the `bits` ports of a cell: `by` above it."""
    return Cat(value, Const(by, 1).replicate(max(0, bits - len(value))))


class Device:
    """Adders and table memories of a device family; this one names no cells.

    Attributes
    ----------
    cells : str or None
        File in this package with simulation models of the cells that are instantiated.
    """

    cells: str | None = None

    def add(
        self,
        m: Module,
        operands: Sequence[Value],
        *,
        bits: int,
        name: str,
        subtract: Value | None = None,
        parities: Sequence[Value] | None = None,
        keep: Value | None = None,
    ) -> Value:
        """``operands[0] +- operands[1]``, or the sum of three, in the same cycle.

        Parameters
        ----------
        operands : sequence of signed Value
            Two or three. With `parities` they lack their lowest bits.
        bits : int
            Width of the result, wide enough for it.
        subtract : Value, optional
            Whether the second operand is subtracted; only of two.
        parities : sequence of Value, optional
            The operands' lowest bits. The result lacks its own, which is `parity_of` them.
        keep : Value, optional
            Where not set, the second of two operands, not subtracted, counts as 0.
        """
        total = Signal(signed(bits), name=name)
        first, second, *third = operands
        if subtract is not None:
            flipped = second.as_unsigned() ^ subtract.replicate(len(second))
            second = flipped.as_signed()
        if keep is not None:
            second = Mux(keep, second, 0)
        carry: Value | int = 0 if subtract is None else subtract
        if parities is not None:
            carry = carry_of(parities, subtract)
        m.d.comb += total.eq(sum(third, first + second + carry))
        return total

    def add_all(self, m: Module, additions: Sequence[Mapping[str, Any]]) -> list[Value]:
        """The sums of several calls of `add`, each given by its arguments: a device may pack them.

        None of them may depend on the result of another.
        """
        return [self.add(m, **addition) for addition in additions]

    def flip_flop(self, d: Value, q: Value) -> Instance:
        """The family's flip-flop, always enabled and never reset; only where there are `cells`."""
        raise NotImplementedError

    def copies(self, m: Module, value: Value, count: int, *, name: str) -> list[Value]:
        """`value` a cycle later, `count` times: where one register would drive too much.

        Synthesisers merge equal registers, so that a family with a `flip_flop` instantiates it.
        """
        if self.cells is not None:
            copies = [Signal(value.shape(), name=f"{name}_{k}") for k in range(count)]
            for k, copy in enumerate(copies):
                for i in range(len(value)):
                    m.submodules[f"{name}_{k}_{i}"] = self.flip_flop(value[i], copy[i])
            return copies
        register = Signal(value.shape(), name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return [register] * count

    def table(
        self,
        m: Module,
        *,
        depth: int,
        name: str,
        write: Value,
        write_address: Value,
        write_data: Value,
        read_address: Value,
    ) -> Value:
        """A memory of `depth` words with one write port; what is at `read_address`, at once."""
        memory = Memory(shape=len(write_data), depth=depth, init=[])
        m.submodules[name] = memory
        port, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            port.en.eq(write),
            port.addr.eq(write_address),
            port.data.eq(write_data),
            read.addr.eq(read_address),
        ]
        return read.data
