"""Generation: equal bytes, untouched files, no paths, lint-clean, and a manifest that is right."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib.memory import Memory

import lutra.gen
from lutra.gen.config_names import config_hash, load_config, preset_names
from lutra.gen.elaborate import elaborate, generate
from lutra.gen.quick_memories import quick_memories
from lutra.hw.config import Config, ConfigError
from lutra.sim.build_model import verilog_of
from lutra.sim.toolchain import run_tool, verilator_command

WAIVERS = Path(next(iter(lutra.gen.__path__))) / "lint.vlt"

#: Shapes at the edges of what a configuration may be, besides the presets.
ODD = {
    "odd": Config(rows=3, lanes=5, tables=3, lookup_group=3, axi_bits=32),
    "no_scale": Config(scale_bits=0, tree_pipeline=1),
    "one_lane": Config(lanes=1, tables=8, axi_bits=32, lookup_group=6),
}

#: Presets but for those that fill a device, whose tiny versions stand for them.
SMALL = [name for name in preset_names() if load_config(name).plane_macs_per_cycle <= 1024]


@pytest.fixture(scope="module")
def w2a8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("w2a8")
    generate("w2a8", folder)
    return folder


def test_bytes_do_not_depend_on_place_or_hash_seed(w2a8: Path, tmp_path: Path):
    program = "from lutra.gen.elaborate import generate; generate('w2a8', 'deep/er')"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=env, check=True)
    for name in ("lutra.v", "lutra.json"):
        assert (tmp_path / "deep" / "er" / name).read_bytes() == (w2a8 / name).read_bytes()


def test_equal_files_are_left_alone(w2a8: Path):
    before = {path.name: path.stat().st_mtime_ns for path in w2a8.iterdir()}
    assert set(before) == {"lutra.v", "lutra.json"}
    generate("w2a8", w2a8)
    assert {path.name: path.stat().st_mtime_ns for path in w2a8.iterdir()} == before


def test_no_paths_inside(w2a8: Path):
    for name in ("lutra.v", "lutra.json"):
        text = (w2a8 / name).read_text()
        assert not re.search(r"/(home|root|work|tmp|usr|Users)/|\.py\b", text)


def test_a_system_yosys_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = tmp_path / "yosys"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "system")
    assert "module lutra(" in elaborate(load_config("tiny"))[0]
    assert os.environ["AMARANTH_USE_YOSYS"] == "system"


@pytest.mark.parametrize("name", [*SMALL, *ODD])
def test_lint_is_clean(name: str, tmp_path: Path):
    (tmp_path / "lutra.v").write_text(verilog_of(ODD.get(name) or load_config(name)))
    flags = ["--lint-only", "-Wall", "--top-module", "lutra", "--quiet", str(WAIVERS)]
    assert run_tool([*verilator_command(), *flags, "lutra.v"], cwd=tmp_path) == ""


def test_every_waiver_has_a_reason():
    lines = WAIVERS.read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if line.startswith("lint_off"):
            assert before.startswith("// ")


def test_manifest(w2a8: Path):
    manifest = json.loads((w2a8 / "lutra.json").read_text())
    config = load_config("w2a8")
    assert manifest["config_hash"] == config_hash(config)
    assert manifest["config_hash"] in (w2a8 / "lutra.v").read_text()
    assert manifest["configuration"]["lanes"] == 16
    assert manifest["derived"]["k_block"] == 32
    assert manifest["isa"]["instructions"]["LMMA"]["opcode"] == 3
    assert manifest["registers"]["offsets"]["STATUS"] == 0x10
    assert manifest["top"] == "lutra"


def test_manifest_ports_are_those_of_the_verilog(w2a8: Path):
    manifest = json.loads((w2a8 / "lutra.json").read_text())
    top = re.search(r"^module lutra\(.*?^endmodule", (w2a8 / "lutra.v").read_text(), re.M | re.S)
    assert top is not None
    pattern = r"^  (input|output) (?:\[(\d+):0\] )?(\w+);"
    found = {
        (name, direction, int(high or 0) + 1)
        for direction, high, name in re.findall(pattern, top[0], re.MULTILINE)
    }
    assert found == {(p["name"], p["direction"], p["width"]) for p in manifest["ports"]}
    assert {("clk", "input", 1), ("rst", "input", 1), ("irq", "output", 1)} <= found


def test_bad_configuration(tmp_path: Path):
    with pytest.raises(ConfigError, match="did you mean"):
        generate("w2b8", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (5, 3), (33, 16)])
def test_quick_memories_write_what_amaranth_writes(width: int, depth: int):
    def text() -> str:
        m = Module()
        init = [(37 * i + 1) % (1 << width) for i in range(depth)]
        m.submodules.memory = memory = Memory(shape=width, depth=depth, init=init)
        port = memory.read_port(domain="comb")
        return rtlil.convert(m, ports=[port.addr, port.data], emit_src=False)

    plain = text()
    with quick_memories():
        assert text() == plain
