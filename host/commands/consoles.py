"""Where commands print for people: results to the output stream, notes to the error stream."""

from __future__ import annotations

from rich.console import Console

__all__ = ["notes_console", "results_console"]


def results_console(*, soft_wrap: bool = False) -> Console:
    """Tables and sentences as they are: rich would read brackets in names from files as markup."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)


def notes_console(*, soft_wrap: bool = False) -> Console:
    """The same for what accompanies results: progress, warnings, errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)
