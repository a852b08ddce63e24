"""``lutra bench density``: the area of every element at equal throughput."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ...boards.density.competitors import VARIANTS
from ...boards.density.figures import draw_figures
from ...boards.density.plan import WEIGHTS, headline, plan
from ...boards.density.points import ELEMENTS, SIZES, Point, Sizes
from ...boards.density.records import RECORDED, Records, point_key
from ...boards.density.routed import routed_points
from ...boards.density.study import NamedFigure, check_name, named_figures, point_of
from ...boards.density.sweep import connect, sweep
from ...boards.density.targets import TARGETS, LibraryFiles, StudyError, measure
from .consoles import notes_console
from .figures import Figure, print_figures
from .lists import joined, names_of, numbers_of

__all__ = ["bench_density"]

_HELP_RERUN = "Measure the points of this figure again; may be given several times."
_HELP_VARIANTS = "Of elements that have some: shipped, lean (fewer registers), booth (by hand)."

#: What the shipped elements are called here; in records they have no name.
_VARIANTS = {name or "shipped": name for name in VARIANTS}


def bench_density(
    targets: Annotated[
        str, typer.Option(help="Of ecp5, ecp5_nodsp, xc7, xc7_nodsp, ice40, asic.")
    ] = "ecp5_nodsp",
    elements: Annotated[str, typer.Option(help="Processing elements.")] = joined(ELEMENTS),
    weights: Annotated[str, typer.Option(help="Bits of the weights; 1.58 is ternary.")] = joined(
        WEIGHTS
    ),
    acts: Annotated[str, typer.Option(help="Bits of the activations.")] = "8,16",
    macs: Annotated[int, typer.Option(min=4, help="MACs a cycle of every array.")] = 64,
    rows: Annotated[str, typer.Option(help="Rows M to try.")] = joined(SIZES.rows),
    lanes: Annotated[str, typer.Option(help="Lanes N to try.")] = joined(SIZES.lanes),
    groups: Annotated[str, typer.Option(help="Lookup groups L to try.")] = joined(SIZES.groups),
    variants: Annotated[str, typer.Option(help=_HELP_VARIANTS)] = joined(_VARIANTS),
    most: Annotated[
        int | None,
        typer.Option("--shapes", min=1, help="Shapes of each element; all if not given."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Measure at most so many points that are missing.")
    ] = None,
    liberty: Annotated[
        Path | None, typer.Option(help="Liberty file, for asic.", envvar="LUTRA_LIBERTY")
    ] = None,
    lef: Annotated[
        Path | None, typer.Option(help="LEF file with the cells' areas.", envvar="LUTRA_LEF")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler, such as tcp://host:8786.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of the own cluster; one a core.")
    ] = None,
    records: Annotated[Path, typer.Option(help="File of results, which is extended.")] = RECORDED,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Measure nothing; print what is recorded.")
    ] = False,
    rerun: Annotated[list[str] | None, typer.Option(help=_HELP_RERUN)] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder to draw figures into, as SVG.")
    ] = None,
    best_known: Annotated[
        bool, typer.Option("--headline", help="Measure the points behind the named figures.")
    ] = False,
    routed: Annotated[
        bool, typer.Option("--routed", help="Route the arrays that fill a ULX3S-85F: an hour.")
    ] = False,
    show_plan: Annotated[
        bool, typer.Option("--plan", help="Print the points that are missing, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Build arrays of every element at equal throughput, and compare their area.

    Whole arrays: tables, builders, trees, accumulators, rescale. Every result is kept in a file, so
    that later runs only measure what is missing; points run on a dask cluster, a local one unless
    --scheduler names another.
    """
    file = Records(records)
    library = LibraryFiles.read(liberty, lef) if liberty is not None else None
    names = [check_name(name) for name in rerun or []]
    if names:
        points = _points_of(names, named_figures(file.latest()))
        _measure(points, file, library, scheduler, workers, again=True)
    elif not recorded:
        sizes = Sizes(
            numbers_of(rows, "rows"), numbers_of(lanes, "lanes"), numbers_of(groups, "groups")
        )
        wanted = headline() if best_known else routed_points() if routed else list(
            plan(
                names_of(targets, "targets", TARGETS), names_of(elements, "elements", ELEMENTS),
                names_of(weights, "weights", WEIGHTS), numbers_of(acts, "acts"), macs, sizes=sizes,
                variants=[_VARIANTS[v] for v in names_of(variants, "variants", _VARIANTS)],
                most=most,
            )
        )  # fmt: skip
        known = file.keys()
        missing = [p for p in wanted if _key(p, library) not in known][:limit]
        if show_plan:
            for point in missing:
                print(point.target, point.config.name, point.variant)
            return
        _measure(missing, file, library, scheduler, workers)
    found = named_figures(file.latest())
    if figures is not None:
        for path in draw_figures(file.latest(), figures):
            notes_console().print(path)
    _print([f for f in found if not names or f.name in names], as_json=as_json)


def _measure(
    points: list[Point],
    file: Records,
    library: LibraryFiles | None,
    scheduler: str | None,
    workers: int | None,
    *,
    again: bool = False,
) -> None:
    if not points:
        return
    if library is None and any(point.target == "asic" for point in points):
        raise StudyError("target asic needs the cells of a library: give --liberty")
    tasks = {_key(p, library): (p, library if p.target == "asic" else None) for p in points}
    with Progress(console=notes_console()) as bar, connect(scheduler, workers) as client:
        task = bar.add_task("points", total=len(tasks))

        def tell(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, description=note[:60])

        sweep(client, tasks, measure, file, again=again, progress=tell)


def _points_of(names: list[str], found: list[NamedFigure]) -> list[Point]:
    by_name = {figure.name: figure for figure in found}
    points = []
    for name in names:
        if name not in by_name:
            raise StudyError(f"--rerun must name a figure that is recorded, not {name!r}")
        points += [point_of(record) for record in by_name[name].records]
    return points


def _print(found: list[NamedFigure], *, as_json: bool) -> None:
    if not as_json:
        table = [Figure(figure.name, figure.value, figure.unit) for figure in found]
        print_figures(table, as_json=False, title="density study")
        return
    rows: list[dict[str, Any]] = [
        {"name": f.name, "value": f.value, "unit": f.unit, "how": f.how, "records": f.records}
        for f in found
    ]
    print(json.dumps({"results": rows}, indent=2))


def _key(point: Point, library: LibraryFiles | None) -> str:
    return point_key(point, library.digest if library and point.target == "asic" else "")
