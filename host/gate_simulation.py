"""Gate netlists in Verilator: how often every net changes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..boards.asic.gate_verilog import gate_verilog
from ..boards.asic.netlist import Netlist
from ..boards.asic.stimulus import Stimulus
from ..sim.compile_cache import Build, cached_build
from ..sim.toolchain import ToolError

__all__ = ["count_toggles"]

_HARNESS = Path(__file__).parent / "gate_simulation.cpp"

#: Bits that make Verilator store the ports as arrays of words.
_PADDING = 96


def count_toggles(netlist: Netlist, stimulus: Stimulus) -> tuple[dict[int, int], np.ndarray]:
    """Simulate the gates with Verilator and count the changes of every net after the warm-up.

    Inputs change right behind the clock's edge, as outputs of registers do, so that every net
    settles once a cycle.

    Returns
    -------
    toggles : dict of int to int
        By net.
    outputs : ndarray of uint8 {0, 1}, shape ``[cycles, outputs]``
        Of all cycles; output ports in alphabetical order.

    Raises
    ------
    ToolMissingError, ToolError
        There is no C++ compiler, or a tool failed.
    """
    names = sorted(n for n, (way, _) in netlist.ports.items() if way == "output")
    outputs = [net for name in names for net in netlist.ports[name][1]]
    inner = sorted(set(netlist.loads()) - netlist.clocks())
    inner = [net for net in inner if net > 0]
    watched = [*inner, *outputs, *[0] * _PADDING]
    build = Build(
        target="toggles",
        sources={
            "lutra.v": gate_verilog(netlist, _padded(stimulus), watched),
            "toggles.cpp": _HARNESS.read_text(),
        },
        units=["toggles.cpp"],
        verilator_flags=["--prefix", "Vgates"],
        compiler_flags=["-O0"],  # a few hundred cycles: compiling takes longer than running
    )
    program = cached_build(build, what="the gate netlist", progress=lambda line: None)
    cycles, width = stimulus.bits.shape
    words = -(-(width + _PADDING) // 32)
    rows = np.zeros((cycles, words * 32), np.uint8)
    rows[:, :width] = stimulus.bits
    with TemporaryDirectory(prefix="lutra-toggles-") as name:
        folder = Path(name)
        (folder / "in").write_bytes(np.packbits(rows, axis=1, bitorder="little").tobytes())
        arguments = ["in", words, cycles, stimulus.warm_up, "counts", "out"]
        done = subprocess.run(
            [program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolError(f"the gate netlist ended with {done.returncode}: {done.stderr.strip()}")
        counts = np.frombuffer((folder / "counts").read_bytes(), np.uint32)
        out = np.frombuffer((folder / "out").read_bytes(), np.uint8).reshape(cycles, -1)
    first = len(inner)
    bits = np.unpackbits(out, axis=1, bitorder="little")[:, first : first + len(outputs)]
    return {net: int(counts[i]) for i, net in enumerate(inner)}, bits


def _padded(stimulus: Stimulus) -> list[tuple[str, int]]:
    return [*stimulus.ports, ("", _PADDING)]
