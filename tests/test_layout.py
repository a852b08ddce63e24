"""The layout: imports run one way; each file is one idea and begins with `__all__`."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: What each folder may import, besides itself.
ALLOWED = {
    "hw": set(),
    "gen": {"hw"},
    "sim": {"hw", "gen"},
    "boards": {"hw", "gen", "sim"},  # gates are simulated for their switching energy
    "host": {"hw", "gen", "sim", "boards"},
    "tb": {"hw", "gen", "sim"},
}

SOURCES = sorted(path for folder in ALLOWED for path in (ROOT / folder).rglob("*.py"))


def imported_folders(path: Path) -> set[str]:
    """Top-level folders of Lutra that a file imports, absolutely or relatively."""
    package = ["lutra", *path.relative_to(ROOT).parts[:-1]]
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
    found = {name.split(".")[1] for name in names if name.startswith("lutra.")}
    return found & set(ALLOWED)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path):
    folder = path.relative_to(ROOT).parts[0]
    wrong = imported_folders(path) - ALLOWED[folder] - {folder}
    assert not wrong, f"{folder}/ must not import {sorted(wrong)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_a_room(path: Path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a file begins with what it is about"
    if path.name != "__init__.py":
        assert "\n__all__ = " in text
    assert len(text.splitlines()) <= 320, "one idea a file"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_are_relative(path: Path):
    """The type checker does not know that `hw` is `lutra.hw`; relative imports it can follow."""
    assert not re.search(r"(?m)^\s*(from|import) lutra\b", path.read_text(encoding="utf-8"))


def test_packages_match_folders():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    listed = {name.removeprefix("lutra.") for name in setuptools["packages"]}
    found = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for folder in ALLOWED
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert listed == found
    assert setuptools["package-dir"] == {f"lutra.{folder}": folder for folder in ALLOWED}


def test_no_absolute_paths():
    pattern = re.compile(r"[\"'(= ](/home/|/root/|/work/|/Users/)")
    files = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run", *SOURCES]
    files += [path for folder in (*ALLOWED, "docs") for path in (ROOT / folder).rglob("*")
              if path.suffix in {".toml", ".md", ".cpp", ".h", ".vlt"}]  # fmt: skip
    for path in files:
        assert not pattern.search(path.read_text(encoding="utf-8")), path
