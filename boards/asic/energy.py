"""Switching energy: toggles of every net in a gate-level simulation times its capacitance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .netlist import Netlist

__all__ = ["Energy", "switching_energy"]


@dataclass(frozen=True)
class Energy:
    """Energy of a cycle, in pJ: of the logic and register outputs, and of the clock pins."""

    data_pj: float
    clock_pj: float
    cycles: int
    toggles: int

    @property
    def total_pj(self) -> float:
        return self.data_pj + self.clock_pj


def switching_energy(
    netlist: Netlist, toggles: Mapping[int, int], cycles: int, *, wire_pf: float = 0.0
) -> Energy:
    """Half of C V^2 for every toggle of a net with the capacitance C at it, averaged a cycle.

    C is the sum of the input pins' capacitances, `wire_pf` more a pin for wires. A clock net
    toggles twice a cycle. Not in it: glitches (each net settles once a cycle), short-circuit and
    internal energy of cells, leakage, and the clock tree.

    Parameters
    ----------
    toggles : mapping of int to int
        Changes of each net in `cycles` cycles.
    """
    loads, pins = netlist.loads(), {}
    for instance in netlist.instances:
        cell = netlist.library.cells[instance.cell]
        for name, net in instance.pins.items():
            if cell.pins[name].direction == "input":
                pins[net] = pins.get(net, 0) + 1
    square = netlist.library.voltage**2
    clocks = netlist.clocks()
    data = sum(
        count * (loads.get(net, 0.0) + wire_pf * pins.get(net, 0))
        for net, count in toggles.items()
        if net not in clocks
    )
    clock = 2 * sum(loads.get(net, 0.0) + wire_pf * pins.get(net, 0) for net in clocks)
    return Energy(
        data_pj=0.5 * square * data / cycles,
        clock_pj=0.5 * square * clock,
        cycles=cycles,
        toggles=sum(toggles.values()),
    )
