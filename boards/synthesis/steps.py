"""Synthesis and place-and-route of one design: each step once per content, tools and seed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...gen.cache import cache_folder, fill_once
from .design import Design
from .errors import DoesNotFitError, FlowToolError
from .pnr_log import PnrReport, PnrWatch, read_pnr_report
from .resources import by_component
from .tools import run_tool, tool_version
from .yosys import CellCount, read_counts, run_yosys, yosys_version

__all__ = ["Placed", "Synthesised", "place", "synthesise"]

#: Told what a step is doing.
Phase = Callable[[str], None]


@dataclass(frozen=True)
class Synthesised:
    """A mapped netlist.

    Attributes
    ----------
    key : str
    netlist, log : Path
    cells : CellCount
    components : dict of str to dict of str to int
        As of `resources.by_component`.
    version : str
        Of the tool.
    seconds : float
        That it took when it was computed.
    """

    key: str
    netlist: Path
    log: Path
    cells: CellCount
    components: dict[str, dict[str, int]]
    version: str
    seconds: float


@dataclass(frozen=True)
class Placed:
    """A routed design: its bitstream and what it reaches; `seconds` as of `Synthesised`."""

    seed: int
    bitstream: Path
    log: Path
    report: PnrReport
    versions: tuple[str, ...]
    seconds: float


def synthesise(design: Design, phase: Phase) -> Synthesised:
    """Map a design to the cells of its family.

    Raises
    ------
    YosysError
        As of `run_yosys`.
    """
    version = yosys_version()
    key = design.key(version)

    def fill(folder: Path) -> None:
        begin = time.monotonic()
        phase("synthesis")
        for name, text in design.files.items():
            (folder / name).write_text(text)
        count = "tee -q -o stat.json stat -json"
        run_yosys([*design.script, count], folder=folder, log=folder / "yosys.log")
        netlist = json.loads((folder / design.netlist).read_text())
        summary = {
            "components": by_component(design.board.family, netlist, _top_of(netlist)),
            "seconds": round(time.monotonic() - begin, 1),
        }
        (folder / "summary.json").write_text(json.dumps(summary))

    folder = fill_once(cache_folder() / "synthesis" / key, "summary.json", fill).parent
    summary = json.loads((folder / "summary.json").read_text())
    return Synthesised(
        key, folder / design.netlist, folder / "yosys.log", read_counts(folder / "stat.json"),
        summary["components"], version, summary["seconds"],
    )  # fmt: skip


def place(design: Design, synthesised: Synthesised, seed: int, phase: Phase) -> Placed:
    """Place, route and pack, with one seed.

    Raises
    ------
    DoesNotFitError
        The device has too few of some kind of cell.
    FlowToolMissingError, FlowToolError
        As of `run_tool`.
    """
    assert design.place is not None, "7-series has no place-and-route here"
    assert design.pack is not None
    placer, packer = design.place, design.pack
    versions = (tool_version(placer.tool), tool_version(packer.tool))
    key = design.key(synthesised.version, *versions, f"seed {seed}")

    def fill(folder: Path) -> None:
        begin = time.monotonic()
        for name, text in design.files.items():
            if not name.endswith((".il", ".v")):
                (folder / name).write_text(text)
        (folder / design.netlist).hardlink_to(synthesised.netlist)
        watch = PnrWatch()
        try:
            run_tool(
                placer.tool, [*placer.arguments, "--seed", str(seed)], folder=folder,
                log=folder / "nextpnr.log", on_line=lambda line: phase(watch.line(line)),
            )  # fmt: skip
        except FlowToolError as error:
            if watch.shortages:
                raise DoesNotFitError(design.name, watch.shortages) from error
            raise
        phase("packing the bitstream")
        run_tool(packer.tool, packer.arguments, folder=folder, log=folder / "pack.log")
        seconds = {"seconds": round(time.monotonic() - begin, 1)}
        keep = {"nextpnr.log", "timing.json"}
        for path in folder.iterdir():
            if path.name not in keep and path.suffix not in (".bit", ".bin", ".fs"):
                path.unlink()  # the placed design is ten times the size of all else
        (folder / "summary.json").write_text(json.dumps(seconds))

    folder = fill_once(cache_folder() / "place" / key, "summary.json", fill).parent
    seconds = json.loads((folder / "summary.json").read_text())["seconds"]
    return Placed(
        seed, folder / design.product, folder / "nextpnr.log",
        read_pnr_report(folder / "timing.json"), versions, seconds,
    )  # fmt: skip


def _top_of(netlist: dict) -> str:
    modules = netlist["modules"]
    return next(n for n, m in modules.items() if int(m.get("attributes", {}).get("top", "0"), 2))
