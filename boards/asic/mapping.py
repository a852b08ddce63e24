"""From RTLIL to a netlist of library cells: Yosys and ABC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..synthesis.yosys import CellCount, read_counts, run_yosys
from .adder_cells import adder_techmaps, find_adder
from .expressions import truth_table
from .liberty import Library
from .netlist import Netlist, read_netlist

__all__ = ["ABC_COMMANDS", "Mapped", "map_to_cells"]

#: Rounds in which constants may travel along a carry chain.
_ROUNDS = 4

#: Modules that ABC maps by themselves, see `hw.cell_tables.OneHot`.
_ALONE = "*.one_hot"

#: Most loads of a net before ABC puts a tree of buffers behind it.
_MAX_FANOUT = 16

#: ABC's commands as ``abc -script`` takes them: commas for spaces, {D} the period in ps. Without
#: dc2 and dch: amap then finds AND-OR cells in the structure that designs have, which is smaller
#: for lookups, Booth digits and multipliers alike.
ABC_COMMANDS = "+strash;&get,-n;&fraig,-x;&put;scorr;amap,-m;topo;" + (
    f"buffer,-c,-N,{_MAX_FANOUT};topo;upsize,{{D}};dnsize,{{D}};stime,-p"
)


@dataclass(frozen=True)
class Mapped:
    """A design in cells of a library."""

    counts: CellCount
    netlist: Netlist


def map_to_cells(
    rtlil: str, liberty: str | Path, library: Library, *, period_ns: float, timeout: float = 3600
) -> Mapped:
    """Synthesise for area, with a clock period that ABC keeps within the logic it sees.

    Adders become the library's full adders in ripple chains (`adder_cells`); flip-flops by
    ``dfflibmap``, everything else by ABC's area-oriented mapping with fanout buffering and sizing.
    ABC does not see through full adders: `timing.Timing` judges the whole.

    Parameters
    ----------
    rtlil : str
        Text with module ``top`` on top (`..synthesis.yosys.component_rtlil`).
    liberty : path
        The file that `library` was read from.
    period_ns : float
        Clock period.
    timeout : float
        Seconds.
    """
    with TemporaryDirectory(prefix="lutra-asic-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(rtlil)
        (folder / "cells.lib").write_text(_with_areas(Path(liberty).read_text(), library))
        commands = ["read_liberty -lib -ignore_miss_func cells.lib", "read_rtlil design.il"]
        commands += [f"setattr -mod -set keep_hierarchy 1 {_ALONE}"]
        commands += ["synth -flatten -top top -run begin:fine"]
        commands += ["opt -fast -full", "memory_map", "opt -undriven -fine"]
        maps = adder_techmaps(library)
        if maps is not None:
            (folder / "bits.v").write_text(maps[0])
            (folder / "constants.v").write_text(maps[1])
            commands += ["techmap -map +/techmap.v -map bits.v", "opt -fast"]
            commands += ["techmap -D LAST=0 -map constants.v", "opt_expr", "opt_clean"] * _ROUNDS
            commands += ["techmap -D LAST=1 -map constants.v"] * 2 + ["opt -fast"]
        commands += ["techmap", "opt -fast", "dfflibmap -liberty cells.lib"]
        (folder / "cells.constr").write_text(_constraints(library))
        limits = f"-constr cells.constr -D {period_ns * 1000:.0f}"
        commands += [f"abc -liberty cells.lib {limits} -script {ABC_COMMANDS}"]
        commands += ["setattr -mod -unset keep_hierarchy *", "flatten"]
        commands += ["opt_clean -purge", "tee -q -o counts.json stat -json -liberty cells.lib"]
        commands += ["write_json -noscopeinfo netlist.json"]
        run_yosys(commands, folder=folder, timeout=timeout)
        counts = read_counts(folder / "counts.json")
        return Mapped(counts, read_netlist(folder / "netlist.json", library))


def _constraints(library: Library) -> str:
    """What ABC is to expect at the borders of its logic: the pins of adders, and buffers.

    Without a load there, it would drive full adders with its smallest cells.
    """
    adder = find_adder(library, 3)
    load = max(pin.capacitance for pin in adder[0].inputs) if adder else 0.0
    buffers = [
        cell for cell in library.cells.values()
        if len(cell.inputs) == len(cell.outputs) == 1 and not cell.state
        and truth_table(cell.outputs[0].function, (cell.inputs[0].name,)) == 0b10
    ]  # fmt: skip
    text = f"set_load {load * 1000:g} [all_outputs]\n" if load else ""  # in fF
    if buffers:
        text += f"set_driving_cell {min(buffers, key=lambda cell: cell.area).name}\n"
    return text


def _with_areas(text: str, library: Library) -> str:
    """The liberty text with the areas of `library`, which may come from a LEF file."""

    def cell(match: re.Match[str]) -> str:
        name = match[2].strip('" ')
        known = library.cells.get(name)
        return match[1] + (f"{known.area:g}" if known else match[3])

    return re.sub(r"(cell\s*\(([^)]*)\)\s*\{\s*area\s*:\s*)([\d.eE+-]+)", cell, text)
