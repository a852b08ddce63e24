"""``python -m lutra.tb.formal``: run the proofs and print what came out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .proof import Proof, Step
from .proofs import PROOFS
from .tools import missing_tools

__all__ = ["app", "run"]

app = typer.Typer()


def run(proofs: list[Proof], *, short: bool, limit: float, jobs: int, done=lambda step: None):
    """All steps of `proofs`, `jobs` proofs at a time; `done` is called with each as it ends.

    Returns
    -------
    list of Step
        In the order of `proofs`.
    """

    def one(proof: Proof) -> list[Step]:
        return list(_told(proof.steps(short=short, limit=limit), done))

    with ThreadPoolExecutor(jobs) as pool:
        return [step for steps in pool.map(one, proofs) for step in steps]


def _told(steps: Iterator[Step], done) -> Iterator[Step]:
    for step in steps:
        done(step)
        yield step


@app.command()
def main(
    only: Annotated[
        str, typer.Option("--filter", help="Only proofs whose names have this in them.")
    ] = "",
    short: Annotated[
        bool, typer.Option("--short", help="Only the short subset that runs with the tests.")
    ] = False,
    limit: Annotated[
        float, typer.Option(min=1, help="Seconds for each question to a solver.")
    ] = 600.0,
    jobs: Annotated[int, typer.Option(min=1, help="Proofs at a time.")] = os.cpu_count() or 1,
    runs: Annotated[
        bool, typer.Option("--runs", help="Print the counterexamples of built-in faults, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Prove that streams keep their items, that programs cannot deadlock, and that arrays multiply.

    Each proof is also tried on hardware with a built-in fault, which it has to find. Ends
    with status 1 if a claim fails, a fault is missed, or a question is not answered in time.
    """
    if missing := missing_tools():
        raise typer.BadParameter(f"{', '.join(missing)} missing: pip install 'lutra[formal]'")
    proofs = [p for p in PROOFS if only in p.name and (p.short_cycles or not short)]
    if not proofs:
        names = ", ".join(p.name for p in PROOFS)
        raise typer.BadParameter(f"filter must be part of one of {names}, not {only!r}")
    notes = Console(stderr=True, highlight=False, markup=False)
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=notes) as progress:
        task = progress.add_task("formal", total=sum(p.count(short=short) for p in proofs))

        def done(step: Step) -> None:
            name = f"{step.proof}: {step.kind}, {step.what}"
            progress.update(task, advance=1, description=name[:44])
            if not step.good or (runs and step.kind == "fault"):
                progress.console.print(f"{name}: {step.result}\n{step.detail}\n")

        steps = run(proofs, short=short, limit=limit, jobs=jobs, done=done)
    if as_json:
        print(json.dumps(_everything(steps), indent=2))
    else:
        Console(highlight=False, markup=False).print(_table(proofs, steps))
    if not all(step.good for step in steps):
        raise typer.Exit(1)


def _table(proofs: list[Proof], steps: list[Step]) -> Table:
    table = Table(title="Proofs", title_justify="left")
    for name in ("proof", "states"):
        table.add_column(name)
    for name in ("claims", "depth", "for ever", "faults found", "seconds", "result"):
        table.add_column(name, justify="right", no_wrap=True)
    for proof in proofs:
        mine = [step for step in steps if step.proof == proof.name]
        bounded = next(step for step in mine if step.kind == "bounded")
        faults = [step for step in mine if step.kind == "fault"]
        bad = sorted({step.result for step in mine if not step.good})
        table.add_row(
            proof.name,
            proof.states,
            str(bounded.claims),
            f"{bounded.cycles} cycles",
            str(sum(step.claims for step in mine if step.kind == "for ever" and step.good)),
            f"{sum(step.good for step in faults)} of {len(faults)}",
            f"{sum(step.seconds for step in mine):.1f}",
            ", ".join(bad) or "holds",
        )
    return table


def _everything(steps: list[Step]) -> dict:
    results = [
        {"name": "formal.steps", "value": len(steps), "unit": "1"},
        {"name": "formal.passed", "value": sum(s.good for s in steps), "unit": "1"},
        {"name": "formal.failed", "value": sum(not s.good for s in steps), "unit": "1"},
        {"name": "formal.claims.bounded",
         "value": sum(s.claims for s in steps if s.kind == "bounded" and s.good), "unit": "1"},
        {"name": "formal.claims.for_ever",
         "value": sum(s.claims for s in steps if s.kind == "for ever" and s.good), "unit": "1"},
        {"name": "formal.faults.found",
         "value": sum(s.kind == "fault" and s.good for s in steps), "unit": "1"},
        {"name": "formal.seconds", "value": sum(s.seconds for s in steps), "unit": "s"},
    ]  # fmt: skip
    return {"results": results, "steps": [asdict(step) for step in steps]}


if __name__ == "__main__":
    app()
