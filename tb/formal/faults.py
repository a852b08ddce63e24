"""Breaks a component on purpose: one expression of its source is another one."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import ModuleType

__all__ = ["Fault", "broken_class"]


@dataclass(frozen=True)
class Fault:
    """A mistake somebody could have made.

    A proof that never fails proves nothing. Every proof names a few such mistakes, and the tests
    see it fail on each of them.

    Parameters
    ----------
    component : type
        The class that has the mistake. Only instances made by the harness itself have it.
    old, new : str
        `old` occurs exactly once in the source of the component's module and is replaced by `new`.
    breaks : str
        The claim that is then found to fail.
    """

    component: type
    old: str
    new: str
    breaks: str


def broken_class(fault: Fault) -> type:
    """The class of `fault.component` with the mistake in it.

    Raises
    ------
    ValueError
        The text to replace is not there exactly once: the component was changed, and the
        fault has to follow it.
    """
    original = sys.modules[fault.component.__module__]
    source = inspect.getsource(original)
    if source.count(fault.old) != 1:
        raise ValueError(
            f"{fault.old!r} must occur once in {original.__name__}, not {source.count(fault.old)}"
        )
    module = ModuleType(original.__name__)
    module.__package__ = original.__package__
    module.__file__ = original.__file__
    code = compile(source.replace(fault.old, fault.new), str(original.__file__), "exec")
    exec(code, module.__dict__)
    return module.__dict__[fault.component.__name__]
