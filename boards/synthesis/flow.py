"""Designs in, bitstreams and reports out: several at once, the best seed kept."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...gen.files import write_if_changed
from .design import Design
from .errors import FlowError
from .report import Report, best_of, make_report, report_text
from .steps import Placed, Synthesised, place, synthesise
from .tools import stop_tools
from .yosys import YosysError

__all__ = ["Built", "Flow", "Progress", "output_folder"]

#: Told (what is worked on, what happens to it); the phase is empty when it has ended.
Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Built:
    """One design's outcome: a report, or the error that it came to.

    `bitstream` is None where the timing was missed and nobody allowed that, and where the
    vendor's tools follow.
    """

    design: Design
    folder: Path
    report: Report | None
    bitstream: Path | None
    error: FlowError | YosysError | None


def output_folder(design: Design, root: Path = Path("build")) -> Path:
    """``build/<configuration>/<board>``."""
    return root / design.config.name / design.board.name


class Flow:
    """Runs tools, at most `jobs` at a time.

    Parameters
    ----------
    jobs : int, optional
        By default the processors there are.
    progress : callable, optional
        See `Progress`; called from several threads, one call at a time.
    """

    def __init__(self, *, jobs: int | None = None, progress: Progress | None = None) -> None:
        self._slots = threading.Semaphore(jobs or os.cpu_count() or 1)
        self._progress = progress or (lambda job, phase: None)
        self._telling = threading.Lock()

    def build(
        self,
        designs: Sequence[Design],
        *,
        seeds: Sequence[int] = (1,),
        root: Path = Path("build"),
        allow_timing_fail: bool = False,
    ) -> list[Built]:
        """Build every design; an error of one does not stop the others.

        Files are written when all runs of their design are done, the report last; a design that
        fails leaves no bitstream behind, not even an older one.
        """
        threads = len(designs) * (1 + len(seeds))
        with ThreadPoolExecutor(max_workers=threads) as pool:

            def one(design: Design) -> Built:
                return self._build(pool, design, seeds, root, allow_timing_fail)

            try:
                return [future.result() for future in [pool.submit(one, d) for d in designs]]
            except BaseException:
                stop_tools()
                raise

    def synthesise(self, design: Design) -> Synthesised:
        """The mapped netlist only."""
        return self._step(design.name, lambda tell: synthesise(design, tell))

    def _build(
        self,
        pool: ThreadPoolExecutor,
        design: Design,
        seeds: Sequence[int],
        root: Path,
        allow_timing_fail: bool,
    ) -> Built:
        folder = output_folder(design, root)
        try:
            netlist = self.synthesise(design)
            runs = self._place(pool, design, netlist, seeds) if design.place else []
        except (FlowError, YosysError) as error:
            for name in (design.product, "report.json", "report.txt"):
                (folder / name).unlink(missing_ok=True)
            return Built(design, folder, None, None, error)
        report = make_report(design, netlist, runs)
        return _write(design, folder, netlist, runs, report, allow_timing_fail)

    def _place(
        self, pool: ThreadPoolExecutor, design: Design, netlist: Synthesised, seeds: Sequence[int]
    ) -> list[Placed]:
        runs: list[Future[Placed]] = []
        for seed in seeds:
            name = f"{design.name}, seed {seed}"
            runs.append(
                pool.submit(
                    self._step, name, lambda tell, seed=seed: place(design, netlist, seed, tell)
                )
            )
        wait(runs, return_when=FIRST_EXCEPTION)
        return [run.result() for run in runs]

    def _step(self, job: str, work):
        def tell(phase: str) -> None:
            with self._telling:
                self._progress(job, phase)

        tell("waiting")
        try:
            with self._slots:
                return work(tell)
        finally:
            tell("")


def _write(
    design: Design,
    folder: Path,
    netlist: Synthesised,
    runs: list[Placed],
    report: Report,
    allow_timing_fail: bool,
) -> Built:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in design.files.items():
        if not name.endswith(".il"):  # constraints; for the vendor's tools also Verilog and script
            write_if_changed(folder / name, text)
    write_if_changed(folder / "yosys.log", netlist.log.read_bytes())
    bitstream = None
    if runs:
        best = best_of(runs)
        write_if_changed(folder / "nextpnr.log", best.log.read_bytes())
        if report.timing_met or allow_timing_fail:
            bitstream = folder / design.product
            write_if_changed(bitstream, best.bitstream.read_bytes())
        else:
            with suppress(FileNotFoundError):
                (folder / design.product).unlink()
    write_if_changed(folder / "report.txt", report_text(report))
    write_if_changed(folder / "report.json", json.dumps(report.to_json(), indent=2) + "\n")
    return Built(design, folder, report, bitstream, None)
