"""Tools: found, missing, failing, late."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from lutra.boards.synthesis.errors import FlowToolError, FlowToolMissingError
from lutra.boards.synthesis.tools import TOOLS, run_tool, tool_command, tool_version


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in TOOLS:
        monkeypatch.delenv(variable, raising=False)


def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """ECPPACK is this program."""
    path = tmp_path / "tool.py"
    path.write_text(source)
    monkeypatch.setenv("ECPPACK", f"{sys.executable} {path}")


@pytest.mark.parametrize("variable", TOOLS)
def test_missing(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    package = TOOLS[variable].package
    with pytest.raises(
        FlowToolMissingError, match=rf"{package} is missing: install lutra\[synth\]"
    ):
        tool_command(variable)


def test_another_build_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECPPACK", "/nowhere/ecppack")
    with pytest.raises(FlowToolMissingError, match="ECPPACK must name a program, not '/nowhere/"):
        tool_version("ECPPACK")
    with pytest.raises(FlowToolMissingError, match="ECPPACK must name a program, not '/nowhere/"):
        run_tool("ECPPACK", [], folder=tmp_path, log=tmp_path / "log")


def test_another_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import sys; print('release 7' if '--version' in sys.argv else sys.argv[1:])"
    script(tmp_path, monkeypatch, source)
    assert tool_version("ECPPACK").endswith("tool.py: release 7")
    lines: list[str] = []
    run_tool("ECPPACK", ["a", "b c"], folder=tmp_path, log=tmp_path / "log", on_line=lines.append)
    assert lines == ["['a', 'b c']"]
    assert (tmp_path / "log").read_text() == "['a', 'b c']\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print('ERROR: pin Z99 does not exist'); raise SystemExit(1)", "ecppack: pin Z99 does"),
        ("print('Traceback'); print('out of memory'); raise SystemExit(3)",
         "ecppack: status 3: out of memory"),
        ("raise SystemExit(2)", "ecppack: status 2: $"),
    ],
)  # fmt: skip
def test_failing(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, monkeypatch, source)
    with pytest.raises(FlowToolError, match=message):
        run_tool("ECPPACK", [], folder=tmp_path, log=tmp_path / "log")


def test_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, monkeypatch, "import time; print('begun', flush=True); time.sleep(60)")
    with pytest.raises(FlowToolError, match=r"took more than 0\.5 s; give it more time"):
        run_tool("ECPPACK", [], folder=tmp_path, log=tmp_path / "log", timeout=0.5)
    assert "ERROR" not in (tmp_path / "log").read_text()
