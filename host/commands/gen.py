"""``lutra gen``: Verilog and manifest of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...gen.config_names import config_hash, load_config
from ...gen.elaborate import generate

__all__ = ["gen"]


def gen(
    config: Annotated[
        str, typer.Argument(help="Preset, name such as w3a8, or path of a TOML file.")
    ] = "w2a8",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; build/<configuration> by default.")
    ] = None,
) -> None:
    """Write lutra.v and lutra.json of a configuration.

    The same configuration gives the same bytes anywhere; files are touched only where their bytes
    change.
    """
    loaded = load_config(config)
    paths = generate(loaded, out or Path("build") / loaded.name)
    print(f"{loaded.name}: hash {config_hash(loaded)[:16]}")
    print(paths.verilog)
    print(paths.manifest)
