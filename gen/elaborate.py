"""Elaboration: one configuration in, `lutra.v` and `lutra.json` out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Fragment, Module, ResetSignal, Signal, Value, ValueCastable
from amaranth.hdl import _ir as ir
from amaranth.lib import wiring

from ..hw.config import Config
from ..hw.core import Core
from .config_names import config_hash, load_config
from .files import write_if_changed
from .manifest import manifest
from .quick_memories import quick_memories

__all__ = ["TOP", "Generated", "elaborate", "generate"]

#: Name of the Verilog module.
TOP = "lutra"

_Ports = dict[str, tuple[Value, ir.PortDirection]]


@dataclass(frozen=True)
class Generated:
    """Paths that `generate` wrote."""

    verilog: Path
    manifest: Path


def generate(config: str | Path | Config, out_dir: str | Path) -> Generated:
    """Write the Verilog and the manifest of a configuration.

    Equal configurations give equal bytes on any machine; a file is touched only where its bytes
    change, so that tools that go by time stamps do not run again.

    Parameters
    ----------
    config : str, Path or Config
        Anything that `load_config` takes.
    out_dir : str or Path
        Folder of the two files; made where it is missing.

    Raises
    ------
    ConfigError
        The configuration does not exist or cannot be built.
    """
    config = load_config(config)
    text, sidecar = elaborate(config)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = Generated(folder / "lutra.v", folder / "lutra.json")
    write_if_changed(paths.verilog, _banner(config) + text)
    write_if_changed(paths.manifest, sidecar)
    return paths


def elaborate(config: Config) -> tuple[str, str]:
    """Verilog and manifest of a configuration, as text; the Verilog does not depend on `name`."""
    core = Core(config, config_hash=int(config_hash(config)[:16], 16))
    module, ports = _top(core)
    with _builtin_yosys(), quick_memories():
        text, _ = verilog.convert_fragment(
            Fragment.get(module, None), ports, TOP, emit_src=False, strip_internal_attrs=True
        )
    return text, json.dumps(manifest(config, core), indent=2) + "\n"


def _top(core: wiring.Component) -> tuple[Module, _Ports]:
    """The core with clock and reset, and the ports of the whole.

    Reset reaches the core through a register: one flip-flop eases its timing, and a third of the
    simulation's time is saved, because no next state depends on an input of the top any more.
    """
    m = Module()
    m.submodules.core = core
    m.domains.sync = domain = ClockDomain()
    rst, held = Signal(name="rst"), Signal(name="rst_held", reset_less=True)
    m.d.sync += held.eq(rst)
    m.d.comb += ResetSignal().eq(held)
    ports: _Ports = {
        "clk": (domain.clk, ir.PortDirection.Input),
        "rst": (rst, ir.PortDirection.Input),
    }
    for path, member, value in core.signature.flatten(core):
        signal = value.as_value() if isinstance(value, ValueCastable) else value
        assert isinstance(signal, Value)
        inward = member.flow == wiring.In
        direction = ir.PortDirection.Input if inward else ir.PortDirection.Output
        ports["__".join(str(part) for part in path)] = (signal, direction)
    return m, ports


def _banner(config: Config) -> str:
    name = "".join(c if c.isalnum() or c in "-_. " else "?" for c in config.name)
    return (
        f"// Lutra accelerator '{name}'\n"
        f"// configuration hash {config_hash(config)}\n"
        "// Generated: do not edit. Ports, instructions and registers are in lutra.json.\n"
    )


@contextmanager
def _builtin_yosys() -> Iterator[None]:
    # A system Yosys of another version would write other bytes.
    before = os.environ.get("AMARANTH_USE_YOSYS")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    try:
        yield
    finally:
        if before is None:
            del os.environ["AMARANTH_USE_YOSYS"]
        else:
            os.environ["AMARANTH_USE_YOSYS"] = before
