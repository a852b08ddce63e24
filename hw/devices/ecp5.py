"""Lattice ECP5: carry chains of CCU2C, tables in TRELLIS_DPR16X4.

Half a CCU2C is a four-input table Z(A, B, C, D) on the carry chain:

    S = Z ^ carry_in        carry_out = carry_in if Z else G,   G = Z(A, B, 0, 0)

(Lattice, ECP5 and ECP5-5G Family Data Sheet, FPGA-DS-02012, ripple mode; the parameters are those
of Project Trellis). With D tied to 1 the half with D = 0 is free to hold G, so that adding or
subtracting takes one half a bit, and one more for the carry that enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value

from .device import Device, extended, filled

__all__ = ["ECP5"]

# Z at D = 0 is in the low eight bits of INIT, A is the lowest address bit.
_ADD = 0x96AA  # Z = A ^ B ^ C, G = A: A + B, or A - B where C
_CARRY = 0x000A  # Z = 0, G = A: carries A
_PARITY_CARRY = 0x470F  # Z = ~(A if B else C), G = 1: carries (A if B else C), where none comes in

_Half = tuple[int, Value, Value, Value, Value]
_ONE = Const(1, 1)


class ECP5(Device):
    """Cells of the ECP5."""

    cells = "cells_ecp5.v"

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
        halves = _halves(operands, bits=bits, subtract=subtract, parities=parities, keep=keep)
        return _chain(m, halves, name=name)[len(halves) - bits : len(halves)].as_signed()

    def add_all(self, m: Module, additions: Sequence[Mapping[str, Any]]) -> list[Value]:
        """As `Device.add_all`; of chains with an odd number of halves, two share the odd CCU2C.

        The second one begins with a half that carries what is subtracted, whatever comes in.
        """
        sums: list[Value] = []
        odd: tuple[int, list[_Half]] | None = None
        for addition in additions:
            arguments = {key: value for key, value in addition.items() if key != "name"}
            halves = _halves(**arguments)
            if len(halves) % 2 == 0 or halves[0][0] != _CARRY:
                sums.append(self.add(m, **addition))
                continue
            sums.append(Const(0))
            if odd is None:
                odd = len(sums) - 1, halves
                continue
            place, before = odd
            chain = _chain(m, before + halves, name=addition["name"])
            sums[place] = chain[1 : len(before)].as_signed()
            sums[-1] = chain[len(before) + 1 :].as_signed()
            odd = None
        if odd is not None:
            sums[odd[0]] = self.add(m, **additions[odd[0]])
        return sums

    def flip_flop(self, d: Value, q: Value) -> Instance:
        return Instance(
            "TRELLIS_FF",
            p_GSR="DISABLED",
            p_CEMUX="1",
            p_CLKMUX="CLK",
            p_LSRMUX="LSR",
            p_REGSET="RESET",
            i_CLK=ClockSignal(),
            i_LSR=Const(0, 1),
            i_DI=d,
            o_Q=q,
        )

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
        data = Signal(-(-width // 4) * 4, name=f"{name}_data")
        for i in range(0, width, 4):
            m.submodules[f"{name}_{i}"] = Instance(
                "TRELLIS_DPR16X4",
                i_DI=filled(write_data[i : i + 4], 4),
                i_WAD=filled(write_address, 4),
                i_WRE=write,
                i_WCK=ClockSignal(),
                i_RAD=filled(read_address, 4),
                o_DO=data[i : i + 4],
            )
        return data[:width]


def _halves(
    operands: Sequence[Value],
    *,
    bits: int,
    subtract: Value | None = None,
    parities: Sequence[Value] | None = None,
    keep: Value | None = None,
) -> list[_Half]:
    """Those of one sum: at most one for what comes in, and `bits` of the result."""
    a, b = (extended(operand, bits) for operand in operands)
    minus = Const(0, 1) if subtract is None else subtract
    halves: list[_Half] = []
    if parities is not None:
        halves = [(_PARITY_CARRY, parities[0], parities[1], minus, _ONE)]
    elif subtract is not None:
        halves = [(_CARRY, minus, _ONE, _ONE, _ONE)]
    gate = _ONE if keep is None else keep  # without it, Z and G are both A
    return halves + [(_ADD, a[i], b[i], minus, gate) for i in range(bits)]


def _chain(m: Module, halves: list[_Half], *, name: str) -> Signal:
    """The sum bits of a carry chain, lowest first."""
    if len(halves) % 2:
        halves = [*halves, (_ADD, *[Const(0, 1)] * 3, _ONE)]
    sums = Signal(len(halves), name=f"{name}_s")
    # A signal a carry: bits of one vector would look like a loop to a simulator.
    carry: Value = Const(0, 1)
    for i in range(0, len(halves), 2):
        (init0, a0, b0, c0, d0), (init1, a1, b1, c1, d1) = halves[i : i + 2]
        following = Signal(name=f"{name}_c{i}")
        m.submodules[f"{name}_{i}"] = Instance(
            "CCU2C",
            p_INIT0=Const(init0, 16),
            p_INIT1=Const(init1, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            i_A0=a0, i_B0=b0, i_C0=c0, i_D0=d0,
            i_A1=a1, i_B1=b1, i_C1=c1, i_D1=d1,
            o_S0=sums[i],
            o_S1=sums[i + 1],
            o_COUT=following,
        )  # fmt: skip
        carry = following
    return sums
