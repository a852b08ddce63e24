"""Stand-ins for Yosys, nextpnr and a packer: the flow around them in milliseconds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lutra.boards.registry import find_board
from lutra.boards.synthesis import steps
from lutra.boards.synthesis.design import Command, Design
from lutra.gen.config_names import load_config

#: Of a design that is 8,000 LUTs large.
CELLS = {"LUT4": 7000, "CCU2C": 500, "TRELLIS_FF": 900}

_NEXTPNR = """
import json, sys, time
args = sys.argv[1:]
if "--version" in args:
    print("nextpnr of a test"); sys.exit()
seed = int(args[args.index("--seed") + 1])
behaviour = json.loads(open({path!r}).read())
with open({calls!r}, "a") as calls:
    calls.write(f"{{seed}}\\n")
print("Info: Packing LUTs..")
print("Info: Device utilisation:")
print(f"Info: \\t TRELLIS_COMB: {{behaviour['used']}}/ 24288 {{behaviour['used'] // 243}}%")
print("Info: Placed 3 cells based on constraints.")
if behaviour["used"] > 24288:
    print("ERROR: Unable to place cell 'x', no BELs remaining of type 'TRELLIS_COMB'")
    sys.exit(1)
if behaviour.get("fails"):
    print("ERROR: Failed to route something")
    sys.exit(255)
fmax = behaviour["fmax"][seed - 1]
ends = {{"from": "posedge $glbnet$clk", "to": "posedge $glbnet$clk"}}
step = {{"delay": 5.0, "from": {{"cell": "a_LUT4_Z"}}, "to": {{"cell": "system.core.b"}},
         "type": "logic"}}
json.dump({{
    "fmax": {{"$glbnet$clk": {{"achieved": fmax, "constraint": 40.0}}}},
    "utilization": {{"TRELLIS_COMB": {{"used": behaviour["used"], "available": 24288}}}},
    "critical_paths": [{{**ends, "path": [step]}}],
}}, open("timing.json", "w"))
open("lutra.config", "w").write(f"placed with seed {{seed}}")
"""

_PACK = """
import sys
if "--version" in sys.argv:
    print("packer of a test"); sys.exit()
open("lutra.bit", "w").write(open("lutra.config").read())
"""


class FakeTools:
    """What the tools of a test do, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self._behaviour = folder / "behaviour.json"
        self._calls = folder / "calls"
        self.syntheses: list[str] = []
        self.cells = dict(CELLS)
        self.behave(used=9000, fmax=[50.0, 60.0, 55.0, 45.0])

    def behave(self, **values: object) -> None:
        """`used` LUTs, `fmax` of each seed, `fails`."""
        self._behaviour.write_text(json.dumps(values))

    @property
    def seeds(self) -> list[int]:
        """Those that were placed, in any order."""
        if not self._calls.exists():
            return []
        return sorted(int(line) for line in self._calls.read_text().split())

    def scripts(self, folder: Path) -> dict[str, str]:
        """Commands by the variables that name them."""
        sources = {
            "NEXTPNR_ECP5": _NEXTPNR.format(path=str(self._behaviour), calls=str(self._calls)),
            "ECPPACK": _PACK,
        }
        commands = {}
        for variable, source in sources.items():
            path = folder / f"{variable.lower()}.py"
            path.write_text(source)
            commands[variable] = f"{sys.executable} {path}"
        return commands

    def run_yosys(self, commands, *, folder: Path, log: Path) -> str:
        """In place of `yosys.run_yosys`."""
        self.syntheses.append("; ".join(commands))
        scope = {"type": "$scopeinfo"}
        cells = {"system": scope, "system.core": scope, "system.core.x_LUT4_Z": {"type": "LUT4"}}
        netlist = {"modules": {"lutra": {"attributes": {"top": "1"}, "cells": cells}}}
        (Path(folder) / "lutra.json").write_text(json.dumps(netlist))
        stat = {"design": {"num_cells_by_type": self.cells}}
        (Path(folder) / "stat.json").write_text(json.dumps(stat))
        Path(log).write_text("yosys")
        return ""


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """Put the stand-ins in place, with a cache of their own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    fakes = FakeTools(folder)
    monkeypatch.setenv("LUTRA_CACHE", str(tmp_path / "cache"))
    for variable, command in fakes.scripts(folder).items():
        monkeypatch.setenv(variable, command)
    monkeypatch.setattr(steps, "run_yosys", fakes.run_yosys)
    monkeypatch.setattr(steps, "yosys_version", lambda: "yosys of a test")
    return fakes


def small_design(config: str = "tiny", text: str = "design") -> Design:
    """A design that needs no elaboration."""
    return Design(
        board=find_board("ulx3s_25f"), config=load_config(config), memory="a memory",
        device="LFE5U-25F-6-BG381", clock_hz=40e6,
        files={"lutra.il": text, "lutra.lpf": "pins"}, script=("synth",), netlist="lutra.json",
        place=Command("NEXTPNR_ECP5", ("--json", "lutra.json")), pack=Command("ECPPACK", ()),
    )  # fmt: skip
