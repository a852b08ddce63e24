"""What a point costs on a target: cells, area, delay."""

from __future__ import annotations

import hashlib
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..asic.liberty import read_liberty
from ..asic.mapping import ABC_COMMANDS, map_to_cells
from ..asic.timing import analyse_timing
from ..asic.whole_array import WholeArray
from ..registry import find_board
from ..synthesis.collisions import loose_collisions
from ..synthesis.design import prepare_design
from ..synthesis.flow import Flow
from ..synthesis.resources import count_resources
from ..synthesis.throughput import macs_per_cycle, peak_tops
from ..synthesis.yosys import component_rtlil, read_counts, run_yosys, yosys_version
from .competitors import create_element
from .points import Point

__all__ = [
    "BOARDS",
    "TARGETS",
    "LibraryFiles",
    "StudyError",
    "commands_of",
    "commit",
    "measure",
]


class StudyError(ValueError):
    """A study that cannot be made as asked; the text says what is missing."""


#: Clock that arrays in standard cells are mapped for, in ns.
ASIC_PERIOD_NS = 20.0

# Without input and output buffers: the array is the inside of a chip.
_FPGA = {
    "ecp5": "synth_ecp5 -top top",
    "xc7": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top top",
    "ice40": "synth_ice40 -top top",
}

#: Boards whose whole top is placed and routed.
BOARDS = ("ulx3s_85f", "ulx3s_25f")

#: Targets: FPGA families, the same without DSP blocks, the cells of a liberty file, boards.
TARGETS = ("ecp5", "ecp5_nodsp", "xc7", "xc7_nodsp", "ice40", "asic", *BOARDS)


@dataclass(frozen=True)
class LibraryFiles:
    """Texts of a library, so that workers on other machines have them, too."""

    liberty: str
    lef: str | None = None

    @classmethod
    def read(cls, liberty: str | Path, lef: str | Path | None = None) -> LibraryFiles:
        """The files' texts.

        Raises
        ------
        StudyError
            A file cannot be read.
        """
        try:
            texts = [Path(p).read_text(errors="replace") if p else None for p in (liberty, lef)]
        except OSError as error:
            raise StudyError(f"--liberty and --lef must be readable files: {error}") from None
        assert texts[0] is not None
        return cls(texts[0], texts[1])

    @property
    def digest(self) -> str:
        """Hash of both."""
        return hashlib.sha256(f"{self.liberty}\0{self.lef}".encode()).hexdigest()[:16]


def commands_of(target: str) -> str:
    """What tells a target's synthesis from another one: its commands."""
    family = target.partition("_")[0]
    return ABC_COMMANDS if target == "asic" else _FPGA.get(family, "")


def measure(
    point: Point, library: LibraryFiles | None = None, *, timeout: float = 3600
) -> dict[str, Any]:
    """One record: the configuration, what its whole array takes, with what that was found.

    Raises
    ------
    StudyError
        Target `asic` was given no library.
    YosysError, LibertyError, FlowError
        Synthesis, or place and route, failed.
    """
    begin, c = time.monotonic(), point.config
    if point.target == "asic" and library is None:
        raise StudyError("target asic needs the cells of a library: give --liberty")
    if point.target in BOARDS:
        found = _board(point)
    else:
        rtlil = component_rtlil(WholeArray(c, create_element(c, point.variant)))
        if point.target == "asic":
            found = _asic(rtlil, library, timeout)
        else:
            found = _fpga(rtlil, point.target, timeout)
    area = found["area_um2"] if point.target == "asic" else found["luts"]
    return {
        "target": point.target,
        "element": c.pe,
        "weight": point.weight,
        "act_bits": c.act_bits,
        "shape": [c.rows, c.lanes, c.tables, c.lookup_group],
        "macs_per_cycle": float(macs_per_cycle(c)),
        "plane_macs_per_cycle": c.plane_macs_per_cycle,
        "area_per_mac": area / float(macs_per_cycle(c)),
        "area_per_plane_mac": area / c.plane_macs_per_cycle,
        **found,
        "variant": point.variant,
        "seed": point.seed,
        "config": asdict(c),
        "commit": commit(),
        "seconds": round(time.monotonic() - begin, 1),
    }


def commit(folder: Path = Path(__file__).parent) -> str:
    """Commit of the sources, with a ``+`` where files differ from it; "" outside git.

    The study's own results are no source: the first of a sweep does not change what the next is of.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        sources = ("../../hw", "../../gen", "..", ":(exclude)recorded")
        changed = git("status", "--porcelain", "--", *sources)
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _fpga(rtlil: str, target: str, timeout: float) -> dict[str, Any]:
    family, _, nodsp = target.partition("_")
    script = _FPGA[family] + (" -nodsp" if nodsp else "")
    with TemporaryDirectory(prefix="lutra-density-") as name:
        (Path(name) / "top.il").write_text(loose_collisions(rtlil))
        commands = ["read_rtlil top.il", script, "tee -q -o counts.json stat -json"]
        run_yosys(commands, folder=name, timeout=timeout)
        cells = read_counts(Path(name) / "counts.json").cells
    resources = count_resources(family, cells)
    return {**resources, "luts": resources.get("luts", 0), "cells": cells,
            "tools": [yosys_version()]}  # fmt: skip


def _asic(rtlil: str, files: LibraryFiles | None, timeout: float) -> dict[str, Any]:
    assert files is not None
    with TemporaryDirectory(prefix="lutra-density-") as name:
        liberty, lef = Path(name) / "cells.lib", Path(name) / "cells.lef"
        liberty.write_text(files.liberty)
        if files.lef is not None:
            lef.write_text(files.lef)
        library = read_liberty(liberty, lef if files.lef is not None else None)
        mapped = map_to_cells(rtlil, liberty, library, period_ns=ASIC_PERIOD_NS, timeout=timeout)
    area = mapped.counts.area
    return {
        "area_um2": area,
        "gate_equivalents": round(area / library.gate.area, 1),
        "delay_ns": round(analyse_timing(mapped.netlist).delay_ns, 3),
        "cells": mapped.counts.cells,
        "library": {"name": library.name, "digest": files.digest, "areas": library.areas},
        "tools": [yosys_version()],
    }


def _board(point: Point) -> dict[str, Any]:
    flow = Flow(jobs=1)
    with TemporaryDirectory(prefix="lutra-density-") as name:
        design = prepare_design(
            find_board(point.target), point.config, memory=point.memory or None,
            clock_hz=point.clock_mhz * 1e6 or None,
        )  # fmt: skip
        built = flow.build([design], seeds=[point.seed], root=Path(name), allow_timing_fail=True)[0]
    if built.error is not None or built.report is None:
        raise built.error or StudyError(f"{design.name} gave no report")
    report = built.report
    return {
        **report.mapped,
        "luts": report.mapped.get("luts", 0),
        "device": {kind: list(counts) for kind, counts in report.device.items()},
        "fmax_mhz": report.fmax_mhz,
        "clock_mhz": report.clock_mhz,
        "clock_wanted_mhz": point.clock_mhz,
        "memory": point.memory,
        "timing_met": report.timing_met,
        "tops_at_clock": peak_tops(point.config, report.clock_mhz * 1e6),
        "tops_at_fmax": peak_tops(point.config, (report.fmax_mhz or 0.0) * 1e6),
        "tools": report.tools,
    }
