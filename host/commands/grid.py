"""``lutra grid``: every supported combination of formats and elements against golden."""

from __future__ import annotations

import json
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..grid import Grid, GridResult
from ..grid_variants import VARIANTS, GridCombination, combinations, representative
from .consoles import notes_console, results_console

__all__ = ["grid"]


def grid(
    only: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="Combinations to run, as variant.weights.activations with * and ?; "
            "a word without either is looked for anywhere.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="What is compared with golden: sim, or golden for golden alone.")
    ] = "sim",
    examples: Annotated[int, typer.Option(min=1, help="Products of each combination.")] = 5,
    quarter: Annotated[bool, typer.Option("--quarter", help="Run every fourth only.")] = False,
    results: Annotated[Path, typer.Option(help="Results, kept from run to run.")] = Path(
        "build/grid/results.json"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier results.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Run weight formats x activation formats x processing elements on small instances.

    Each combination multiplies products of drawn shapes and values, random, extreme and sparse,
    and compares every integer. What has passed is not run again while the sources are the same;
    an interrupted run goes on where it was. Ends with status 1 if anything differs.
    """
    if fresh:
        results.unlink(missing_ok=True)
    chosen = representative(tuple(VARIANTS)) if quarter else combinations()
    chosen = [c for c in chosen if only is None or _matches(str(c), only)]
    runner = Grid(results, device=device, examples=examples)
    notes = notes_console()
    outcomes: dict[GridCombination, GridResult] = {}
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes) as progress:
        task = progress.add_task("grid", total=len(chosen))

        def done(combination: GridCombination, result: GridResult) -> None:
            outcomes[combination] = result
            progress.update(task, advance=1, description=str(combination))
            if result.error:
                progress.console.print(f"{combination}: {result.error}")

        runner.run(chosen, done=done)
    if as_json:
        print(json.dumps(_everything(outcomes, device), indent=2))
    else:
        results_console().print(_table(outcomes, device))
    if any(result.error for result in outcomes.values()):
        raise typer.Exit(1)


def _matches(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern if "*" in pattern or "?" in pattern else f"*{pattern}*")


def _table(outcomes: dict[GridCombination, GridResult], device: str) -> Table:
    """One row a variant: what passed, with how many formats, and how long it took."""
    by_variant: dict[str, list[tuple[GridCombination, GridResult]]] = defaultdict(list)
    for combination, result in outcomes.items():
        by_variant[combination.variant].append((combination, result))
    table = Table(
        title=f"{'sim against golden' if device == 'sim' else 'golden against integer sums'}",
        title_justify="left",
    )
    table.add_column("variant", no_wrap=True)
    for name in ("weights", "acts", "combinations", "products", "passed", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, rows in by_variant.items():
        _add(table, name, rows)
    if len(by_variant) > 1:
        table.add_section()
        _add(table, "all", list(outcomes.items()))
    return table


def _add(table: Table, name: str, rows: list[tuple[GridCombination, GridResult]]) -> None:
    table.add_row(
        name,
        str(len({c.weights for c, _ in rows})),
        str(len({c.activations for c, _ in rows})),
        str(len(rows)),
        str(sum(r.examples for _, r in rows)),
        str(sum(not r.error for _, r in rows)),
        f"{sum(r.seconds for _, r in rows):.1f}",
    )


def _everything(outcomes: dict[GridCombination, GridResult], device: str) -> dict:
    failed = sum(bool(result.error) for result in outcomes.values())
    results = [
        {"name": "grid.combinations", "value": len(outcomes), "unit": "1"},
        {"name": "grid.passed", "value": len(outcomes) - failed, "unit": "1"},
        {"name": "grid.failed", "value": failed, "unit": "1"},
        {"name": "grid.products", "value": sum(r.examples for r in outcomes.values()), "unit": "1"},
        {"name": "grid.seconds", "value": sum(r.seconds for r in outcomes.values()), "unit": "s"},
    ]
    combinations = [
        {"variant": c.variant, "pe": c.config.pe, "weights": c.weights,
         "activations": c.activations, "passed": not r.error, "error": r.error}
        for c, r in outcomes.items()
    ]  # fmt: skip
    return {"device": device, "results": results, "combinations": combinations}
