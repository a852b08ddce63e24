# amaranth: UnusedElaboratable=no
"""A board's top as files and commands for the tools that follow."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ...gen.cache import content_key
from ...gen.elaborate import TOP
from ...hw.config import Config
from ..registry import Board
from ..top import BoardTop
from .collisions import loose_collisions
from .yosys import plain_names

__all__ = ["Command", "Design", "adapted_plan", "prepare_design", "product_name"]

#: Verilog's own names with any characters; expressions have brackets, too.
_ESCAPED = re.compile(r"\\\S+")

_INVOCATION = re.compile(r'"\$(\w+)" (.*)')

#: Mapping of short sums and comparisons, for families whose carry cells fill logic cells alone.
_WITHOUT_CARRY = "without_carry.v"

#: What synthesis is told beyond Amaranth's own scripts.
_OVERRIDES = {
    "ice40": {
        # Enables that fewer flip-flops share would leave most of a tile of eight to nobody.
        "synth_opts": "-dsp -dffe_min_ce_use 5",
        "script_after_read": "\n".join(
            (f"hierarchy -top {TOP}", "proc", "flatten", "opt_expr", "opt_clean", "wreduce",
             "opt_expr", f"techmap -D CONSTANT=12 -D BOTH=4 -map {_WITHOUT_CARRY}")
        ),
    }
}  # fmt: skip

#: Chips with memory in their package, as the open tools know the die inside.
_GOWIN_DIES = {"GW2AR-18C": "GW2A-18C"}

#: The bitstream's ending.
_PRODUCTS = {"ecp5": ".bit", "ice40": ".bin", "gowin": ".fs", "xc7": ".bit"}


@dataclass(frozen=True)
class Command:
    """One call of a tool: its variable (see `tools.TOOLS`) and its arguments."""

    tool: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Design:
    """Everything that a bitstream depends on but the tools' releases and the seed.

    Attributes
    ----------
    board : Board
    config : Config
    memory : str
        For people.
    device : str
        Part, package and speed grade.
    clock_hz : float
        What the board's clock will be.
    files : mapping of str to str
        Netlist to be and constraints, by name.
    script : tuple of str
        Commands for Yosys.
    netlist : str
        File that they write.
    place, pack : Command, optional
        None where the vendor's tools follow (7-series).
    """

    board: Board
    config: Config
    memory: str
    device: str
    clock_hz: float
    files: Mapping[str, str]
    script: tuple[str, ...]
    netlist: str
    place: Command | None
    pack: Command | None

    @property
    def name(self) -> str:
        """For people, such as ``"w2a8 on ulx3s_85f"``."""
        return f"{self.config.name} on {self.board.name}"

    @property
    def product(self) -> str:
        """Name of the bitstream."""
        return product_name(self.board)

    def key(self, *more: str) -> str:
        """Hash of files and commands, and of what else is given."""
        parts = [f"{name}\0{text}" for name, text in sorted(self.files.items())]
        parts += self.script
        for command in (self.place, self.pack):
            parts += [command.tool, *command.arguments] if command else ["none"]
        return content_key([*parts, *more])


def product_name(board: Board) -> str:
    """File name of a board's bitstream."""
    return TOP + _PRODUCTS[board.family]


def prepare_design(
    board: str | Board,
    config: str | Path | Config | None = None,
    *,
    memory: str | None = None,
    clock_hz: float | None = None,
    baud: int | None = None,
) -> Design:
    """Elaborate a board's top; parameters and errors are those of `BoardTop`."""
    top = BoardTop(board, config, memory=memory, clock_hz=clock_hz, baud=baud)
    family = top.board.family
    plan = top.prepare(TOP, emit_src=False, **_OVERRIDES.get(family, {}))
    adapted = adapted_plan(plan, top.clock_hz, router=_router(top.config))
    if any(_WITHOUT_CARRY in command for command in adapted["script"]):
        text = resources.files(__package__).joinpath(_WITHOUT_CARRY).read_text("utf-8")
        adapted["files"][_WITHOUT_CARRY] = text
    return Design(
        board=top.board,
        config=top.config,
        memory=str(top.memory),
        device=_device(top.platform),
        clock_hz=top.clock_hz,
        **adapted,
    )


def adapted_plan(plan: Any, clock_hz: float, *, router: str = "router2") -> dict[str, Any]:
    """What `Design` takes of one of Amaranth's build plans (``BuildPlan``): files and commands."""
    files = {
        name: text if isinstance(text, str) else text.decode()
        for name, text in plan.files.items()
        if name.endswith((".il", ".v", ".lpf", ".pcf", ".cst", ".xdc", ".tcl"))
        and not name.endswith(".debug.v")
    }
    if source := files.get(f"{TOP}.il"):
        files[f"{TOP}.il"] = loose_collisions(plain_names(source))
    if source := files.get(f"{TOP}.v"):
        files[f"{TOP}.v"] = _ESCAPED.sub(lambda name: plain_names(name[0]), source)
    if f"{TOP}.ys" not in plan.files:  # 7-series: place-and-route is the vendor's
        script = (
            f"read_rtlil {TOP}.il",
            f"synth_xilinx -family xc7 -flatten -top {TOP}",
            f"write_json {TOP}.json",
        )
        return {"files": files, "script": script, "netlist": f"{TOP}.json", "place": None,
                "pack": None}  # fmt: skip
    calls = _invocations(plan.files[f"build_{TOP}.sh"])
    place = next(call for call in calls if call.tool.startswith("NEXTPNR_"))
    pack = calls[calls.index(place) + 1]
    netlist = next(a for a in place.arguments if a.endswith(".json"))
    if pack.tool == "GOWIN_PACK":
        pack = Command(pack.tool, tuple(_GOWIN_DIES.get(a, a) for a in pack.arguments))
    return {
        "files": files,
        "script": _commands(plan.files[f"{TOP}.ys"]),
        "netlist": netlist,
        "place": _adapted(place, clock_hz, router),
        "pack": pack,
    }


def _commands(script: str | bytes) -> tuple[str, ...]:
    text = script if isinstance(script, str) else script.decode()
    lines = (line.strip() for line in text.splitlines())
    return tuple(" ".join(line.split()) for line in lines if line and not line.startswith("#"))


def _invocations(script: str | bytes) -> list[Command]:
    """The tools that Amaranth's build script calls, and with what."""
    text = script if isinstance(script, str) else script.decode()
    found = filter(None, map(_INVOCATION.match, text.splitlines()))
    return [Command(call[1], tuple(shlex.split(call[2]))) for call in found]


def _router(config: Config) -> str:
    """Which of nextpnr's routers ends, and ends soon, on a large ECP5.

    Lookup arrays are done sooner by `router2`, which beside many block multipliers stays at some
    hundred wires too many.
    """
    return "router1" if config.pe in ("mac", "shiftadd") else "router2"


def _adapted(call: Command, clock_hz: float, router: str) -> Command:
    """Without what hides the log; for the present tool where Amaranth knows its predecessor."""
    arguments = list(call.arguments)
    arguments.remove("--quiet")
    at = arguments.index("--log")
    del arguments[at : at + 2]
    if call.tool == "NEXTPNR_GOWIN":
        for option in ("--family", "--cst"):
            at = arguments.index(option)
            value = _GOWIN_DIES.get(arguments[at + 1], arguments[at + 1])
            arguments[at : at + 2] = ["--vopt", f"{option[2:]}={value}"]
    if call.tool == "NEXTPNR_ECP5":
        arguments += ["--router", router]
    # For clocks without a constraint of their own; a missed one is for the caller to judge.
    arguments += ["--freq", f"{clock_hz / 1e6:g}", "--timing-allow-fail", "--report", "timing.json"]
    return Command(call.tool, tuple(arguments))


def _device(platform: object) -> str:
    part = getattr(platform, "part", None)
    if part:
        return str(part)
    device, package = getattr(platform, "device", ""), getattr(platform, "package", "")
    speed = getattr(platform, "speed", "")
    return "-".join(str(part) for part in (device, speed, package) if part)
