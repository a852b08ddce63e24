"""A mapped netlist as Verilog, to watch its nets in simulation."""

from __future__ import annotations

import re

from ...gen.elaborate import TOP
from .expressions import verilog_expression
from .liberty import Cell
from .netlist import Netlist

__all__ = ["gate_verilog"]


def gate_verilog(netlist: Netlist, inputs: list[tuple[str, int]], watched: list[int]) -> str:
    """One module: ``clk``, ``rst``, all inputs side by side as ``in``, `watched` nets as ``out``.

    Every net is a wire or register ``n<number>``, every cell an assignment of its function. Latches
    are not needed, so not known.

    Parameters
    ----------
    inputs : list of (str, int)
        Ports and widths in the order of ``in``, lowest bit first; "" is padding.
    watched : list of int
        Nets in the order of ``out``.
    """
    ports = netlist.ports
    wide = [net for name, width in inputs for net in (ports[name][1] if name else [0] * width)]
    declared, body = [], []
    for instance in netlist.instances:
        cell = netlist.library.cells[instance.cell]
        for pin in cell.outputs:
            if pin.name not in instance.pins:
                continue
            target = _name(instance.pins[pin.name])
            if cell.state:
                clock = next(p.name for p in cell.inputs if p.clock)
                edge = "posedge" if _rising(cell) else "negedge"
                declared.append(f"reg {target};")
                value = _expression(cell.state, instance.pins)
                clock_net = _name(instance.pins[clock])
                body.append(f"always @({edge} {clock_net}) {target} <= {value};")
            else:
                declared.append(f"wire {target};")
                body.append(f"assign {target} = {_expression(pin.function, instance.pins)};")
    lines = [f"module {TOP} (input clk, input rst, input [{max(len(wide), 1) - 1}:0] in,"]
    lines += [f"  output [{len(watched) - 1}:0] out);"]
    driven = {line.split()[1].rstrip(";") for line in declared}
    given = {"clk": "clk", "rst": "rst"}
    nets = [(net, f"in[{i}]") for i, net in enumerate(wide)]
    nets += [(ports[name][1][0], source) for name, source in given.items() if name in ports]
    for net, source in nets:
        if net > 0 and _name(net) not in driven:
            lines.append(f"wire {_name(net)} = {source};")
    lines += declared + body
    # One concatenation: bit by bit, Verilator would compute the whole of `out` for each.
    lines.append(f"assign out = {{{', '.join(map(_name, reversed(watched)))}}};")
    return "\n".join([*lines, "endmodule", ""])


def _name(net: int) -> str:
    return f"n{net}" if net > 0 else ("1'b1" if net == -1 else "1'b0")


def _rising(cell: Cell) -> bool:
    arcs = [arc for pin in cell.outputs for arc in pin.arcs]
    return not any(arc.kind == "falling_edge" for arc in arcs)


def _expression(function: str, pins: dict[str, int]) -> str:
    text = verilog_expression(function)
    return re.sub(r"(?<!')\b[A-Za-z_]\w*", lambda m: _name(pins.get(m[0], -2)), text)
