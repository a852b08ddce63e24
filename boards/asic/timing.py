"""Static timing of a mapped netlist with the delay tables of its library."""

from __future__ import annotations

from dataclasses import dataclass

from .liberty import Arc, LibertyError
from .netlist import Instance, Netlist

__all__ = ["Timing", "analyse_timing"]

#: Slope of what arrives at ports and clock pins, in ns.
_INPUT_SLOPE = 0.1

_EDGES = ("rise", "fall")
_OPPOSITE = {"rise": "fall", "fall": "rise"}
#: (input edges) that cause an output edge, by timing sense.
_CAUSES = {
    "positive_unate": lambda edge: (edge,),
    "negative_unate": lambda edge: (_OPPOSITE[edge],),
    "non_unate": lambda edge: _EDGES,
}

_State = tuple[float, float, tuple[int, str] | None]  # arrival, slope, what it came from


@dataclass(frozen=True)
class Timing:
    """The slowest path from a register or port to a register or port, in ns.

    `path` names the nets along it, first to last, in the user's own names where there are any.
    """

    delay_ns: float
    path: list[str]


def analyse_timing(netlist: Netlist, wire_pf: float = 0.0) -> Timing:
    """Propagate arrival times and slopes of both edges through the netlist.

    Delay and slope of an arc come from the library's tables, for the slope at its input and the sum
    of pin capacitances at its output, `wire_pf` a load more for the wires. Clocks are ideal. A path
    ends with the setup time of its flip-flop. Ports behave like outputs of an unloaded register.

    Raises
    ------
    LibertyError
        The netlist has a combinational loop.
    """
    library, loads = netlist.library, netlist.loads()
    fanout: dict[int, int] = {}
    clocks = netlist.clocks()
    state: dict[tuple[int, str], _State] = {}
    waiting: dict[int, int] = {}
    sinks: dict[int, list[int]] = {}
    ready: list[int] = []
    for instance in netlist.instances:
        cell = library.cells[instance.cell]
        for name, net in instance.pins.items():
            if cell.pins[name].direction == "input":
                fanout[net] = fanout.get(net, 0) + 1
    driven = set()
    for instance in netlist.instances:
        for pin in library.cells[instance.cell].outputs:
            driven.add(instance.pins.get(pin.name))
    for number, instance in enumerate(netlist.instances):
        nets = set(_needed(netlist, instance)) & driven
        waiting[number] = len(nets)
        for net in nets:
            sinks.setdefault(net, []).append(number)
        if not nets:
            ready.append(number)
    for _, nets in netlist.ports.values():
        for net in nets:
            if net not in driven:
                for edge in _EDGES:
                    state[net, edge] = (0.0, _INPUT_SLOPE, None)

    done = 0
    while ready:
        instance = netlist.instances[ready.pop()]
        done += 1
        for pin in library.cells[instance.cell].outputs:
            net = instance.pins.get(pin.name)
            if net is None:
                continue
            load = loads.get(net, 0.0) + wire_pf * fanout.get(net, 0)
            for arc in pin.arcs:
                _propagate(state, instance, arc, net, load, clocks)
            for sink in sinks.get(net, ()):
                waiting[sink] -= 1
                if not waiting[sink]:
                    ready.append(sink)
    if done < len(netlist.instances):
        raise LibertyError("the design must have no combinational loop")
    return _slowest(netlist, state)


def _needed(netlist: Netlist, instance: Instance) -> list[int]:
    """Nets that must have arrived before the cell's outputs are known."""
    pins = netlist.library.cells[instance.cell].outputs
    sources = {arc.source for pin in pins for arc in pin.arcs if "edge" not in arc.kind}
    return [net for name, net in instance.pins.items() if name in sources]


def _propagate(state, instance: Instance, arc: Arc, net: int, load: float, clocks) -> None:
    source = instance.pins.get(arc.source)
    if source is None or arc.kind.startswith(("setup", "hold", "clear", "preset")):
        return
    launch = "edge" in arc.kind or source in clocks
    for edge, table in arc.delay.items():
        for cause in _EDGES if launch else _CAUSES[arc.sense](edge):
            before = (0.0, _INPUT_SLOPE, None) if launch else state.get((source, cause))
            if before is None:
                continue
            arrival = before[0] + table.at(before[1], load)
            now = state.get((net, edge))
            if now is None or arrival > now[0]:
                slope = arc.slope[edge].at(before[1], load) if edge in arc.slope else before[1]
                origin = None if launch else (source, cause)
                state[net, edge] = (arrival, max(slope, 0.0), origin)


def _slowest(netlist: Netlist, state: dict[tuple[int, str], _State]) -> Timing:
    worst, end = 0.0, None
    for instance in netlist.instances:
        for pin in netlist.library.cells[instance.cell].inputs:
            for arc in pin.arcs:
                if not arc.kind.startswith("setup"):
                    continue
                for edge in _EDGES:
                    key = (instance.pins.get(pin.name, -2), edge)
                    if key in state and edge in arc.delay:
                        arrival, slope, _ = state[key]
                        total = arrival + max(arc.delay[edge].at(slope, _INPUT_SLOPE), 0.0)
                        if total > worst:
                            worst, end = total, key
    for direction, nets in netlist.ports.values():
        for net in nets if direction == "output" else ():
            for edge in _EDGES:
                if (net, edge) in state and state[net, edge][0] > worst:
                    worst, end = state[net, edge][0], (net, edge)
    path = []
    while end is not None:
        path.append(netlist.names.get(end[0], f"net {end[0]}"))
        end = state[end][2]
    return Timing(worst, path[::-1])
