"""The cache of compiled models: one compilation per content, none of them half done."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lutra.gen.cache import cache_folder
from lutra.sim.compile_cache import Build, cached_build
from lutra.sim.toolchain import ToolError

BUILD = Build(
    target="program",
    sources={
        "lutra.v": "module lutra(input a, output b); assign b = !a; endmodule\n",
        "main.cpp": '#include "Vtop.h"\nint main() { Vtop t; t.a = 1; t.eval(); return t.b; }\n',
    },
    units=["main.cpp"],
    verilator_flags=["--prefix", "Vtop"],
    compiler_flags=["-O0", "-DVL_TIME_CONTEXT"],
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUTRA_CACHE", str(tmp_path / "cache"))


def test_compiles_once():
    told: list[str] = []
    program = cached_build(BUILD, what="a test", progress=told.append)
    assert subprocess.run([program], check=False).returncode == 0
    assert len(told) == 2
    assert told[0] == "compiling a test (once, then cached)"
    assert cached_build(BUILD, what="a test", progress=told.append) == program
    assert len(told) == 2
    names = {path.name for path in cache_folder().iterdir()}
    assert names <= {BUILD.key, f"{BUILD.key}.lock", "runtime"}
    assert {path.name for path in program.parent.iterdir()} == {"program", "lutra.v"}


def test_processes_wait_for_each_other():
    code = "from tests.sim.test_compile_cache import *; cached_build(BUILD, what='it')"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
                         cwd=Path(__file__).parents[2])
        for _ in range(3)
    ]  # fmt: skip
    told = "".join(process.communicate()[1] for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert told.count("compiling it") == 1


def test_failure_leaves_nothing_and_can_be_repeated():
    broken = replace(BUILD, sources={**BUILD.sources, "main.cpp": "int main() { return }\n"})
    for _ in range(2):
        with pytest.raises(ToolError, match="ended with status 1"):
            cached_build(broken, what="a test", progress=lambda _: None)
        assert {path.name for path in cache_folder().iterdir()} <= {
            f"{broken.key}.lock", "runtime"
        }  # fmt: skip


def test_models_with_equal_options_share_one_runtime():
    def objects() -> list[str]:
        return sorted(path.name for path in (cache_folder() / "runtime").rglob("*.o"))

    both = ["verilated.o", "verilated_threads.o"]
    cached_build(BUILD, what="a test", progress=lambda _: None)
    assert objects() == both
    other = {**BUILD.sources, "lutra.v": BUILD.sources["lutra.v"].replace("!", "")}
    cached_build(replace(BUILD, sources=other), what="a test", progress=lambda _: None)
    assert objects() == both
    traced = replace(BUILD, compiler_flags=[*BUILD.compiler_flags, "-DVM_TRACE=0"])
    cached_build(traced, what="a test", progress=lambda _: None)
    assert objects() == sorted([*both, *both])


def test_remains_of_a_killed_process_are_replaced():
    folder = cache_folder() / BUILD.key
    folder.mkdir(parents=True)
    (folder / "rubbish").write_text("half")
    program = cached_build(BUILD, what="a test", progress=lambda _: None)
    assert program.is_file()
    assert not (folder / "rubbish").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"target": "other"},
        {"sources": {**BUILD.sources, "lutra.v": BUILD.sources["lutra.v"] + "\n"}},
        {"units": ["main.cpp", "main.cpp"]},
        {"runtime": ["verilated_vpi.cpp"]},
        {"verilator_flags": ["--prefix", "Vtop", "--trace-vcd"]},
        {"compiler_flags": ["-O1"]},
        {"linker_flags": ["-s"]},
    ],
)
def test_everything_is_part_of_the_key(change: dict):
    assert replace(BUILD, **change).key != BUILD.key
