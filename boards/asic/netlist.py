"""A mapped netlist: cells, nets, and what drives and loads each net."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .liberty import LibertyError, Library

__all__ = ["Instance", "Netlist", "read_netlist"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One cell: its name in the design, its library cell, and the net at each pin.

    Nets are positive integers; 0 and -1 are the constants zero and one, -2 is anything.
    """

    name: str
    cell: str
    pins: dict[str, int]


@dataclass(frozen=True)
class Netlist:
    """`ports` has (direction, nets) by name; `names` what the user called a net, where they did."""

    instances: list[Instance]
    ports: dict[str, tuple[str, list[int]]]
    names: dict[int, str]
    library: Library

    def loads(self) -> dict[int, float]:
        """Capacitance of the input pins at each net, in pF."""
        loads: dict[int, float] = {}
        for instance in self.instances:
            pins = self.library.cells[instance.cell].pins
            for name, net in instance.pins.items():
                if pins[name].direction == "input":
                    loads[net] = loads.get(net, 0.0) + pins[name].capacitance
        return loads

    def clocks(self) -> set[int]:
        """Nets at clock pins."""
        return {
            net
            for instance in self.instances
            for name, net in instance.pins.items()
            if self.library.cells[instance.cell].pins[name].clock
        }


def read_netlist(path: str | Path, library: Library) -> Netlist:
    """What ``write_json`` wrote of a flattened design.

    Raises
    ------
    LibertyError
        The netlist has cells that the library lacks: Yosys found nothing to map them to.
    """
    modules = json.loads(Path(path).read_text())["modules"]
    top = next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    instances, unknown = [], set()
    for name, cell in top["cells"].items():
        if cell["type"] not in library.cells:
            unknown.add(cell["type"])
            continue
        pins = {p: _net(bits[0]) for p, bits in cell["connections"].items() if bits}
        instances.append(Instance(name, cell["type"], pins))
    if unknown:
        raise LibertyError(
            f"library {library.name} must have cells for {', '.join(sorted(unknown))}"
        )
    ports = {
        name: (port["direction"], [_net(b) for b in port["bits"]])
        for name, port in top["ports"].items()
    }
    names: dict[int, str] = {}
    for name, net in top["netnames"].items():
        if not net["hide_name"]:
            for i, bit in enumerate(net["bits"]):
                names.setdefault(_net(bit), f"{name}[{i}]" if len(net["bits"]) > 1 else name)
    return Netlist(instances, ports, names, library)


def _net(bit: int | str) -> int:
    return bit if isinstance(bit, int) else {"0": 0, "1": -1}.get(bit, -2)
