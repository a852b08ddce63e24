"""How commands print figures: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rich.table import Table

from .consoles import results_console

__all__ = ["Figure", "print_figures"]


@dataclass(frozen=True)
class Figure:
    """One measured figure; names are stable and carry the shape (docs: README)."""

    name: str
    value: float
    unit: str


def print_figures(figures: list[Figure], *, as_json: bool, title: str) -> None:
    """Print ``{"results": [{"name", "value", "unit"}, ...]}``, or a table of the same."""
    if as_json:
        rows = [{"name": f.name, "value": f.value, "unit": f.unit} for f in figures]
        print(json.dumps({"results": rows}, indent=2))
        return
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for figure in figures:
        large = abs(figure.value) >= 1e4
        table.add_row(
            figure.name, f"{figure.value:,.0f}" if large else f"{figure.value:.4g}", figure.unit
        )
    results_console().print(table)
