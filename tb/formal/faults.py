"""Breaks a component on purpose: one expression of its source becomes another one."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Fault", "FaultError", "changed"]


class FaultError(ValueError):
    """The text that a fault changes is not in the component (any more)."""


@dataclass(frozen=True)
class Fault:
    """A mistake somebody could have made.

    A proof that never fails proves nothing. Every proof names a few such mistakes, and is seen
    to fail on each of them.

    Parameters
    ----------
    component : class or function
        What has the mistake.
    old, new : str
        `old` occurs exactly once in the source of the component's module and is replaced by `new`.
    breaks : str
        The claim that is then found to fail.
    """

    component: Any
    old: str
    new: str
    breaks: str


def changed(
    component: Any, changes: list[tuple[str, str]], children: dict[str, Any] | None = None
) -> Any:
    """A copy of `component` whose module has another text in some places, and other `children`.

    Parameters
    ----------
    changes : list of (str, str)
        Old and new text.
    children : dict, optional
        Classes and functions that the module imports, by name, and what stands in for them.

    Raises
    ------
    FaultError
        An old text is not there exactly once: the component was changed, and what is written
        here about it has to follow.
    """
    original = sys.modules[component.__module__]
    source = inspect.getsource(original)
    for old, new in changes:
        if source.count(old) != 1:
            raise FaultError(
                f"{old!r} must occur once in {original.__name__}, not {source.count(old)} times"
            )
        source = source.replace(old, new)
    module = ModuleType(original.__name__)
    module.__package__ = original.__package__
    module.__file__ = original.__file__
    exec(compile(source, str(original.__file__), "exec"), module.__dict__)
    module.__dict__.update(children or {})
    return module.__dict__[component.__name__]
