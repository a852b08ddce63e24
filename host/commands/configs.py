"""``lutra configs``: the presets and what they build."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ...gen.config_names import config_hash, load_config, preset_names
from ...gen.manifest import derived_widths
from .consoles import results_console

__all__ = ["configs"]


def configs(
    names: Annotated[
        list[str] | None, typer.Argument(help="Configurations; all presets by default.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every field and derived width as JSON.")
    ] = False,
) -> None:
    """List configurations: presets, or any name or TOML file given."""
    loaded = [load_config(name) for name in names or preset_names()]
    if as_json:
        rows = [
            {"configuration": asdict(c), "derived": derived_widths(c), "hash": config_hash(c)}
            for c in loaded
        ]
        print(json.dumps({"configurations": rows}, indent=2))
        return
    table = Table(box=None)
    for header in ("name", "element", "weights", "acts", "M/N/U/L", "MACs/cycle", "port"):
        table.add_column(header)
    for c in loaded:
        table.add_row(
            c.name,
            c.pe,
            f"{c.weight_bits} (to {c.max_weight_bits})",
            str(c.act_bits),
            f"{c.rows}/{c.lanes}/{c.tables}/{c.lookup_group}",
            str(c.plane_macs_per_cycle),
            f"{c.axi_bits} bits",
        )
    results_console().print(table)
