"""Our models of the devices' cells against those of Yosys, by SAT: all inputs, and a few cycles."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pyosys
import pytest

from lutra.boards.synthesis.yosys import run_yosys
from lutra.hw.devices import ECP5, XC7
from lutra.hw.devices.device import Device

_SHARE = Path(pyosys.__file__).parent / "share"

_CHAIN = ', .INJECT1_0("NO"), .INJECT1_1("NO")'

#: Cell, its device, folder of Yosys, parameters.
CELLS = {
    "add": ("CCU2C", ECP5, "ecp5", ".INIT0(16'h96AA), .INIT1(16'h96AA)" + _CHAIN),
    "carry": ("CCU2C", ECP5, "ecp5", ".INIT0(16'h000A), .INIT1(16'h96AA)" + _CHAIN),
    "parity": ("CCU2C", ECP5, "ecp5", ".INIT0(16'h330A), .INIT1(16'h1234)" + _CHAIN),
    "inject": ("CCU2C", ECP5, "ecp5", ".INIT0(16'h9A5C), .INIT1(16'hC3A9), .INJECT1_0(\"NO\")"),
    "dpr": ("TRELLIS_DPR16X4", ECP5, "ecp5", ""),
    "trellis_ff": (
        "TRELLIS_FF",
        ECP5,
        "ecp5",
        '.GSR("DISABLED"), .CEMUX("1"), .CLKMUX("CLK"), .LSRMUX("LSR"), .REGSET("RESET")',
    ),
    "carry4": ("CARRY4", XC7, "xilinx", ""),
    "lut6_2": ("LUT6_2", XC7, "xilinx", ".INIT(64'h123456789ABCDEF0)"),
    "ram32m": ("RAM32M", XC7, "xilinx", ""),
    "fdre": ("FDRE", XC7, "xilinx", ""),
}
_STATE = {"TRELLIS_DPR16X4": "WCK", "RAM32M": "WCLK", "TRELLIS_FF": "CLK", "FDRE": "C"}


def _ports(text: str) -> dict[str, list[tuple[int, str]]]:
    """Widths and names of the inputs and outputs in a module's text."""
    header = text[text.index("(", text.index(") (") + 1) if ") (" in text else text.index("(") :]
    header = header[: header.index(");")]
    found: dict[str, list[tuple[int, str]]] = {"input": [], "output": []}
    for direction, high, names in re.findall(
        r"(input|output)\s+(?:reg\s+)?(?:\[(\d+):0\]\s+)?([\w,\s]+?)(?=,?\s*(?:input|output|$|\)))",
        header,
    ):
        for name in re.findall(r"\w+", names):
            found[direction].append((int(high or 0) + 1, name))
    return found


def _module(device: type[Device], cell: str) -> str:
    text = (resources.files("lutra.hw.devices") / str(device.cells)).read_text("utf-8")
    return re.search(rf"module {cell}\b.*?endmodule", text, re.DOTALL)[0]  # pyright: ignore


@pytest.mark.parametrize("name", CELLS)
def test_models_agree(name: str, tmp_path: Path):
    cell, device, family, parameters = CELLS[name]
    text = _module(device, cell)
    ports = _ports(text)
    assert ports["input"], ports["output"]
    clock = _STATE.get(cell)
    inputs = [f"input [{w - 1}:0] {p}" for w, p in ports["input"]]
    wires, same = [], []
    for width, port in ports["output"]:
        wires.append(f"wire [{width - 1}:0] ours_{port}, theirs_{port};")
        same.append(f"(ours_{port} != theirs_{port})")
    connect = ", ".join(f".{p}({p})" for _, p in ports["input"])
    instances = [
        f"{cell}{'_ours' * (side == 'ours')} #({parameters}) {side} ({connect}, "
        + ", ".join(f".{p}({side}_{p})" for _, p in ports["output"]) + ");"
        for side in ("ours", "theirs")
    ]  # fmt: skip
    top = ["module top(", ", ".join(inputs), ", output bad);", *wires, *instances]
    top += [f"assign bad = {' | '.join(same)};", "endmodule"]
    (tmp_path / "top.v").write_text("\n".join(top))
    (tmp_path / "ours.v").write_text(text.replace(f"module {cell}", f"module {cell}_ours"))
    state = "-seq 5 -set-init-zero" if clock else ""
    log = run_yosys(
        [
            f"read_verilog -DNO_INCLUDES {_SHARE / family / 'cells_sim.v'}",
            "read_verilog ours.v top.v",
            "hierarchy -top top",
            "proc",
            "flatten",
            "memory",
            "async2sync",
            "opt",
            f"sat -verify -prove bad 0 {state} top",
        ],
        folder=tmp_path,
        timeout=300,
    )
    assert "no model found: SUCCESS!" in log
