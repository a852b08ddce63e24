"""Runs cocotb test modules on a generated top; the simulator is compiled once and cached.

cocotb's own Verilator runner makes every signal public, which is several times slower. Here only
the ports of the top are, and the one compiler call of `compile_cache` takes the place of its
make files. Needs the extra ``lutra[dev]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.runner import Verilator

from ..gen.config_names import load_config
from ..gen.elaborate import TOP
from ..hw.config import Config
from .build_model import verilog_of
from .compile_cache import Build, cached_build
from .errors import RegressionError

__all__ = ["run_cocotb"]

_PUBLIC = f"""`verilator_config
public_flat_rw -module "{TOP}" -var "m_axi_*"
public_flat_rw -module "{TOP}" -var "s_axil_*"
public_flat_rw -module "{TOP}" -var "irq"
public_flat_rw -module "{TOP}" -var "clk"
public_flat_rw -module "{TOP}" -var "rst"
"""


class _PortsOnlyVerilator(Verilator):
    """cocotb's runner around an executable that is already there."""

    def __init__(self, program: Path) -> None:
        super().__init__()
        self._program = program

    def _test_command(self) -> list[list[str]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [[str(self._program), *self.plusargs]]


def run_cocotb(
    config: str | Path | Config,
    test_module: str,
    *,
    out_dir: Path,
    env: Mapping[str, str],
    seed: int = 1,
) -> int:
    """Run a cocotb module on the top of a configuration; results and log go to `out_dir`.

    Returns
    -------
    int
        Number of tests, all of them passed.

    Raises
    ------
    RegressionError
        A test failed, or the simulator did not come to its end.
    ConfigError, ToolMissingError, ToolError
        As `build_model`.
    """
    config = load_config(config)
    out_dir = out_dir.absolute()
    out_dir.mkdir(parents=True, exist_ok=True)
    results, log = out_dir / "results.xml", out_dir / "cocotb.log"
    runner = _PortsOnlyVerilator(_executable(config))
    # Inside of pytest the runner would take its result file's name from the running test.
    running_test = os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        runner.test(
            test_module=test_module, hdl_toplevel=TOP, hdl_toplevel_lang="verilog",
            build_dir=out_dir, results_xml=str(results), log_file=log, seed=seed,
            extra_env=dict(env),
        )  # fmt: skip
    except (RuntimeError, SystemExit):
        pass  # what went wrong is in the results, or in their absence
    finally:
        if running_test is not None:
            os.environ["PYTEST_CURRENT_TEST"] = running_test
    return _count_passed(results, log)


def _executable(config: Config) -> Path:
    share = Path(cocotb_tools.config.share_dir)
    libraries = str(cocotb_tools.config.libs_dir)
    build = Build(
        target="cocotb_top",
        sources={"lutra.v": verilog_of(config), "public.vlt": _PUBLIC},
        units=[str(share / "lib" / "verilator" / "verilator.cpp")],
        runtime=["verilated_vpi.cpp"],
        verilator_flags=["--prefix", "Vtop", "--vpi"],
        # Time is cocotb's own here: without VL_TIME_CONTEXT, the model asks for sc_time_stamp().
        # Most time goes to Python; an optimised model would not pay for its compilation.
        compiler_flags=["-O0", "-DVM_TRACE=0", "-DVM_COVERAGE=0"],
        linker_flags=[f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"],
    )  # fmt: skip
    return cached_build(build, what=f"the cocotb simulator of {config.name}")


def _count_passed(results: Path, log: Path) -> int:
    if not results.is_file():
        tail = (
            "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.is_file() else ""
        )
        raise RegressionError(f"the simulator did not come to its end; {log}:\n{tail}")
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [c.get("name", "?") for c in cases if c.find("failure") is not None]
    failed += [c.get("name", "?") for c in cases if c.find("error") is not None]
    if failed or not cases:
        raise RegressionError(f"{len(failed)} of {len(cases)} tests failed: {failed}; {log}")
    return len(cases)
