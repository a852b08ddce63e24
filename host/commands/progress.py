"""A progress bar on the error stream, for work that goes through items by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from .consoles import notes_console

__all__ = ["matrices_progress"]


@contextmanager
def matrices_progress(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show ``what``, the item in work, and how many there are; the bar vanishes at the end.

    Yields
    ------
    callable
        To be called with the item's name, its number from 0 on, and their number.
    """
    item = TextColumn("{task.description}", markup=False)
    columns = TextColumn(what, markup=False), BarColumn(), MofNCompleteColumn(), item
    with Progress(*columns, console=notes_console(), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(name: str, number: int, count: int) -> None:
            bar.update(task, description=name, completed=number, total=count)

        yield show
