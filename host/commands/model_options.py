"""Options of the commands that run a small model at several weight widths."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["BitsOption", "ConfigOption", "DeviceOption", "GroupSizeOption", "JsonOption"]

ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="Configuration; it runs weights of all widths.")
]
BitsOption = Annotated[
    list[int] | None,
    typer.Option(min=1, max=8, help="Weight bits; may be repeated.", show_default="8 4 3 2"),
]
DeviceOption = Annotated[str, typer.Option(help="Device: sim or golden.")]
GroupSizeOption = Annotated[int, typer.Option(min=1, help="Inputs that share a scale.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
