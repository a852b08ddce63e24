"""AMD 7-series: LUT6_2 and CARRY4 for adders of two or three, tables in RAM32M.

A carry chain bit is ``O = S ^ CI``, ``CO = CI if S else DI`` (UG474, 7 Series FPGAs Configurable
Logic Block). With S = a ^ b ^ subtract and DI = a, it adds or subtracts in one table. Three
operands are first reduced to a sum ``a ^ b ^ c`` and a carry ``maj(a, b, c)``, by the two outputs
of one LUT6_2; the chain adds the carry of the bit below, so that three cost one table a bit, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value

from .device import Device, carry_of, extended, filled

__all__ = ["XC7"]


def _init(bits: int, function) -> int:
    """INIT of a table over inputs I0 .. I(bits-1)."""
    values = (function(*(i >> k & 1 for k in range(bits))) for i in range(1 << bits))
    return sum(int(v) << i for i, v in enumerate(values))


# O6 with I5 = 1: the sum with the carry of the bit below; O5: the carry of this one.
_SUM = _init(5, lambda a, b, c, below, _: a ^ b ^ c ^ below)
_MAJORITY = _init(5, lambda a, b, c, _, __: a + b + c > 1)
_ADD_THREE = _SUM << 32 | _MAJORITY


class XC7(Device):
    """Cells of the 7 series."""

    cells = "cells_xc7.v"

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
        wide = [extended(operand, bits) for operand in operands]
        select = Signal(bits, name=f"{name}_p")
        carry: Value = Const(0, 1) if subtract is None else subtract
        if parities is not None:
            carry = carry_of(parities, subtract)
        if len(wide) == 2:
            a, b = wide
            minus = Const(0, 1) if subtract is None else subtract
            if keep is not None:
                b = b & keep.replicate(bits)
            # Left to the synthesiser, which puts what makes b into the same tables.
            m.d.comb += select.eq(a ^ b ^ minus.replicate(bits))
            return _chain(m, select, a, carry, name=name)
        a, b, c = wide
        majority = Signal(bits, name=f"{name}_m")
        below = Cat(Const(0, 1), majority)[:bits]
        for i in range(bits):
            m.submodules[f"{name}_lut{i}"] = Instance(
                "LUT6_2",
                p_INIT=Const(_ADD_THREE, 64),
                i_I0=a[i], i_I1=b[i], i_I2=c[i], i_I3=below[i], i_I4=Const(0, 1), i_I5=Const(1, 1),
                o_O6=select[i],
                o_O5=majority[i],
            )  # fmt: skip
        return _chain(m, select, below, carry, name=name)

    def flip_flop(self, d: Value, q: Value) -> Instance:
        return Instance("FDRE", i_C=ClockSignal(), i_CE=Const(1, 1), i_R=Const(0, 1), i_D=d, o_Q=q)

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
        width = len(write_data)
        data = Signal(-(-width // 6) * 6, name=f"{name}_data")
        for i in range(0, width, 6):
            ports = {}
            for place, port in enumerate("ABC"):
                at = i + 2 * place
                ports[f"i_ADDR{port}"] = filled(read_address, 5)
                ports[f"i_DI{port}"] = filled(write_data[at : at + 2], 2)
                ports[f"o_DO{port}"] = data[at : at + 2]
            ports["o_DOD"] = Signal(2, name=f"{name}_unused{i}")
            m.submodules[f"{name}_{i}"] = Instance(
                "RAM32M",
                i_ADDRD=filled(write_address, 5),
                i_DID=Const(0, 2),
                i_WE=write,
                i_WCLK=ClockSignal(),
                **ports,
            )
        return data[:width]


def _chain(m: Module, select: Value, generate: Value, carry: Value, *, name: str) -> Value:
    """``sum = select ^ carries``, a carry passed on where `select`, else `generate`."""
    bits = len(select)
    sums = Signal(-(-bits // 4) * 4, name=f"{name}_o")
    below: Value = Const(0, 1)
    for i in range(0, bits, 4):
        out = Signal(4, name=f"{name}_co{i}")
        m.submodules[f"{name}_{i}"] = Instance(
            "CARRY4",
            i_CYINIT=Const(0, 1) if i else carry,
            i_CI=below,
            i_S=filled(select[i : i + 4], 4),
            i_DI=filled(generate[i : i + 4], 4),
            o_O=sums[i : i + 4],
            o_CO=out,
        )
        below = out[3]
    return sums[:bits].as_signed()
