"""Lattice ECP5: carry chains of CCU2C, tables in TRELLIS_DPR16X4.

Half a CCU2C is a four-input table Z(A, B, C, D) on the carry chain:

    S = Z ^ carry_in        carry_out = carry_in if Z else G,   G = Z(A, B, 0, 0)

(Lattice, ECP5 and ECP5-5G Family Data Sheet, FPGA-DS-02012, ripple mode; the parameters are those
of Project Trellis). With D tied to 1 the half with D = 0 is free to hold G, so that adding or
subtracting takes one half a bit, and one more for the carry that enters. That half makes its carry
whatever comes in, so that the first cell of a chain has no `CIN`, and the last no `COUT`: for
either, even a constant, place-and-route would add a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value

from .device import Device, extended, filled

__all__ = ["ECP5"]

# Z at D = 0 is in the low eight bits of INIT, A is the lowest address bit.
# What an input does not matter for is 1: so is one that is left open, while a 0 is a net.
_ADD = 0x66AA  # Z = A ^ B, G = A: A + B; A alone where D = 0
_ADD_OR_SUBTRACT = 0x96AA  # Z = A ^ B ^ C, G = A: A + B, or A - B where C
_NONE = 0x0000  # Z = 0, G = 0: carries nothing
_CARRY = 0x000A  # Z = 0, G = A: carries A
_BOTH = 0x0008  # Z = 0, G = A & B: carries A & B
_CHOSEN = 0x330A  # Z = ~B, G = A: carries A where B, otherwise what comes in

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
        """As `Device.add_all`; of chains with an odd number of halves, two share the odd CCU2C."""
        sums: list[Value] = []
        odd: tuple[int, list[_Half]] | None = None
        for addition in additions:
            arguments = {key: value for key, value in addition.items() if key != "name"}
            halves = _halves(**arguments)
            if len(halves) % 2 == 0:
                sums.append(self.add(m, **addition))
                continue
            sums.append(Const(0))
            if odd is None:
                odd = len(sums) - 1, halves
                continue
            place, before = odd
            chain, end = _chain(m, before + halves, name=addition["name"]), len(before)
            sums[place] = chain[end - additions[place]["bits"] : end].as_signed()
            sums[-1] = chain[len(chain) - addition["bits"] :].as_signed()
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
                i_DI=filled(write_data[i : i + 4], 4, 1),
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
    """Those of one sum: one or two for the carry that enters, and `bits` of the result."""
    a, b = (extended(operand, bits) for operand in operands)
    halves: list[_Half] = []
    if subtract is not None:
        halves.append((_CARRY, subtract, _ONE, _ONE, _ONE))
    if parities is not None:
        carries = _BOTH if subtract is None else _CHOSEN
        halves.append((carries, *parities, _ONE, _ONE))
    if not halves:
        halves.append((_NONE, _ONE, _ONE, _ONE, _ONE))
    init, minus = (_ADD, _ONE) if subtract is None else (_ADD_OR_SUBTRACT, subtract)
    gate = _ONE if keep is None else keep
    return halves + [(init, a[i], b[i], minus, gate) for i in range(bits)]


def _chain(m: Module, halves: list[_Half], *, name: str) -> Signal:
    """The sum bits of a carry chain, lowest first."""
    if len(halves) % 2:
        halves = [*halves, (_NONE, _ONE, _ONE, _ONE, _ONE)]
    sums = Signal(len(halves), name=f"{name}_s")
    # A signal a carry: bits of one vector would look like a loop to a simulator.
    carries = [Signal(name=f"{name}_c{i}") for i in range(2, len(halves), 2)]
    for i in range(0, len(halves), 2):
        (init0, a0, b0, c0, d0), (init1, a1, b1, c1, d1) = halves[i : i + 2]
        chained = {"i_CIN": carries[i // 2 - 1]} if i else {}
        if i + 2 < len(halves):
            chained["o_COUT"] = carries[i // 2]
        m.submodules[f"{name}_{i}"] = Instance(
            "CCU2C",
            p_INIT0=Const(init0, 16),
            p_INIT1=Const(init1, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_A0=a0, i_B0=b0, i_C0=c0, i_D0=d0,
            i_A1=a1, i_B1=b1, i_C1=c1, i_D1=d1,
            o_S0=sums[i],
            o_S1=sums[i + 1],
            **chained,
        )  # fmt: skip
    return sums
