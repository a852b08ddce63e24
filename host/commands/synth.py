"""``lutra synth``: bitstreams and reports of configurations on boards."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ...boards.registry import find_board
from ...boards.synthesis.design import Design, prepare_design
from ...boards.synthesis.errors import DoesNotFitError
from ...boards.synthesis.fit import nearest_fit
from ...boards.synthesis.flow import Built, Flow
from ...boards.synthesis.report import report_text
from .asic import report_asic
from .consoles import notes_console

__all__ = ["synth"]


class _Board:
    """What every job is doing, and for how long: a live table, or lines where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._jobs: dict[str, tuple[str, float, float]] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4,
                          transient=True)  # fmt: skip

    def __enter__(self) -> _Board:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, job: str, phase: str) -> None:
        now = time.monotonic()
        was, since, begin = self._jobs.get(job, ("", now, now))
        if not phase:
            self._jobs.pop(job, None)
            return
        if phase == was:
            return
        self._jobs[job] = (phase, since if _coarse(phase) == _coarse(was) else now, begin)
        if not self._console.is_terminal and _coarse(phase) != _coarse(was):
            self._console.print(f"{now - begin:7.1f} s  {job}: {_coarse(phase)}")

    def _table(self) -> Table:
        table = Table(box=None, show_header=False)
        now = time.monotonic()
        for job, (phase, since, begin) in list(self._jobs.items()):
            table.add_row(job, phase, f"{now - since:.0f} s", f"{now - begin:.0f} s in all")
        return table


def _coarse(phase: str) -> str:
    return phase.partition(",")[0]


def synth(
    configs: Annotated[
        list[str] | None,
        typer.Argument(help="Presets, names such as w3a8, or TOML files; the board's own if none."),
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option("--board", "-b", help="Board; may be given several times.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory of the board; its first by default.")
    ] = None,
    clock: Annotated[
        float | None, typer.Option(min=1, help="Clock in MHz; the board's own by default.")
    ] = None,
    baud: Annotated[int | None, typer.Option(min=1, help="Of the serial port.")] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=64, help="Seeds 1 to this many are tried, the best is kept.")
    ] = 1,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Tools at a time; one a processor.")
    ] = None,
    allow_timing_fail: Annotated[
        bool, typer.Option("--allow-timing-fail", help="Write a bitstream that is too slow, too.")
    ] = False,
    suggest: Annotated[
        bool, typer.Option(help="Look for the nearest smaller array where one does not fit.")
    ] = True,
    liberty: Annotated[
        Path | None, typer.Option(help="Estimate in the cells of this library, not for a board.")
    ] = None,
    lef: Annotated[
        Path | None, typer.Option(help="With --liberty: LEF file to take the cells' areas from.")
    ] = None,
    period: Annotated[
        float, typer.Option(min=0.01, help="With --liberty: the clock's period in ns.")
    ] = 20.0,
    energy: Annotated[
        bool, typer.Option(help="With --liberty: simulate the gates for switching energy.")
    ] = True,
    out: Annotated[Path, typer.Option("--out", "-o", help="Root folder of results.")] = Path(
        "build"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print all reports as JSON.")] = False,
) -> None:
    """Write bitstream, report.json and report.txt into build/<configuration>/<board>/.

    Steps are cached by the content they depend on, seed and tool releases included. For 7-series
    boards the netlist is reported, and Verilog, constraints and script for Vivado are written.
    Ends with status 1 if a design does not fit or misses its clock.

    With --liberty: area, delay, leakage and switching energy of the whole array in the cells of a
    library, without buffers and control (docs/asic.md).
    """
    if liberty is not None:
        met = report_asic(
            configs or ["w2a8"], liberty, lef=lef, period_ns=period, energy=energy, as_json=as_json
        )
        if not met and not allow_timing_fail:
            raise typer.Exit(1)
        return
    boards = [find_board(name) for name in board or ["ulx3s"]]
    designs: list[Design] = []
    for place in boards:
        for config in configs or [place.config]:
            clock_hz = clock * 1e6 if clock else None
            designs.append(
                prepare_design(place, config, memory=memory, clock_hz=clock_hz, baud=baud)
            )
    notes = notes_console(soft_wrap=True)
    with _Board(notes) as progress:
        flow = Flow(jobs=jobs, progress=progress)
        built = flow.build(
            designs,
            seeds=range(1, seeds + 1),
            root=out,
            allow_timing_fail=allow_timing_fail,
        )
        found = {
            id(b): nearest_fit(flow, b.design, b.error.shortages)
            for b in built
            if suggest and isinstance(b.error, DoesNotFitError)
        }
    if as_json:
        print(json.dumps(_everything(built), indent=2))
    for one in built:
        _tell(one, notes, found.get(id(one), ""), quiet=as_json)
    if any(one.error or (one.report and not one.report.timing_met) for one in built) and not (
        allow_timing_fail and all(one.error is None for one in built)
    ):
        raise typer.Exit(1)


def _tell(one: Built, notes: Console, suggestion: str, *, quiet: bool) -> None:
    if one.error is not None or one.report is None:
        notes.print(f"{type(one.error).__name__}: {one.error}")
        if suggestion:
            notes.print(suggestion)
        return
    if not quiet:
        print(report_text(one.report))
    report = one.report
    if not report.timing_met and one.bitstream is None:
        notes.print(
            f"TimingMissed: {one.design.name} reaches {report.fmax_mhz:.1f} MHz of "
            f"{report.clock_mhz:g} MHz, so no bitstream was written; try --seeds 8, a slower "
            "--clock, or --allow-timing-fail"
        )
    if not quiet:
        print(one.bitstream or one.folder)


def _everything(built: list[Built]) -> dict:
    reports = [one.report.to_json() for one in built if one.report is not None]
    return {
        "results": [row for report in reports for row in report["results"]],
        "reports": reports,
        "errors": [
            {"design": one.design.name, "error": type(one.error).__name__, "text": str(one.error)}
            for one in built
            if one.error is not None
        ],
    }
