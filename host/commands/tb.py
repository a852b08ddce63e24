"""``lutra tb``: the cocotb regression of one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["tb"]


def tb(
    config: Annotated[str, typer.Argument(help="Preset, name or TOML file.")] = "w2a8",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for results.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of data and stalls.")] = 1,
) -> None:
    """Run the cocotb regression: random products, at full rate and with stalls, and errors.

    Needs the extra lutra[dev].
    """
    from ...gen.config_names import load_config
    from ..regression import run_regression

    loaded = load_config(config)
    passed = run_regression(loaded, out or Path("build") / loaded.name / "tb", seed=seed)
    print(f"{loaded.name}: {passed} cocotb tests passed")
