"""Which of the package's extras brings a module that is not installed."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib.metadata import requires

__all__ = ["missing_extra", "missing_module_text"]

_REQUIREMENT = re.compile(r"([\w.-]+).*;\s*extra\s*==\s*[\"']([\w-]+)[\"']")


def _extras() -> dict[str, set[str]]:
    """Other projects that each extra asks for."""
    extras: dict[str, set[str]] = defaultdict(set)
    for text in requires("lutra") or ():
        if found := _REQUIREMENT.match(text):
            project, extra = found.groups()
            if project != "lutra":  # one extra that takes in another
                extras[extra].add(project.lower().replace("_", "-"))
    return extras


def _provides(project: str, module: str) -> bool:
    """Whether `project` is likely the one with `module`: names differ by a prefix or a suffix."""
    return (
        project in (module, f"py{module}")
        or project.startswith(f"{module}-")
        or module.startswith(f"{project}-")
    )


def missing_extra(module: str) -> str | None:
    """Smallest extra that installs a module, or None where none does.

    Parameters
    ----------
    module : str
        Name as imported; submodules count as their package.
    """
    package = module.partition(".")[0].lower().replace("_", "-")
    extras = _extras()
    found = [name for name in extras if any(_provides(p, package) for p in extras[name])]
    return min(found, key=lambda name: (len(extras[name]), name), default=None)


def missing_module_text(error: ModuleNotFoundError) -> str | None:
    """What to tell a user whose installation lacks a module; None if it is no extra's."""
    extra = missing_extra(error.name or "")
    if extra is None:
        return None
    return (
        f"{error.name} is not installed: pip install 'lutra[{extra}]' (from a clone: '.[{extra}]')"
    )
