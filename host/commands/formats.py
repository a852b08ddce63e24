"""``lutra formats``: what weights and activations can be, and on which elements they run."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from ...gen.config_names import load_config
from ...hw.config import ConfigError
from ..formats.registry import ACTIVATIONS, ELEMENTS, WEIGHTS
from ..formats.support import Combination, config_for, reason_against, require
from .consoles import results_console

__all__ = ["formats"]


def formats(
    weights: Annotated[
        str | None, typer.Argument(help="Weight format to check, for example mxfp4.")
    ] = None,
    activations: Annotated[str, typer.Option(help="Activation format to check with.")] = "int8",
    config: Annotated[
        str | None, typer.Option(help="Configuration to check; by default one for each element.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List formats and elements, and which combinations are supported.

    With a weight format and a configuration, check that one combination: an unsupported one ends
    with its reason and the nearest supported one.
    """
    if weights is not None and config is not None:
        require(weights, activations, load_config(config))
        results_console().print(f"{weights} weights and {activations} activations run on {config}")
        return
    names = list(WEIGHTS) if weights is None else [weights]
    rows = [_row(name, activations, config) for name in names]
    if as_json:
        print(json.dumps(_everything(rows), indent=2))
        return
    console = results_console()
    console.print(_weight_table(rows, activations, config))
    if weights is not None:
        for pe, reason in rows[0]["reasons"].items():
            if reason is not None:
                console.print(f"{pe}: {reason}")
        return
    console.print(_activation_table())
    elements = Table(title="processing elements", title_justify="left")
    elements.add_column("name")
    elements.add_column("computes")
    for name, text in ELEMENTS.items():
        elements.add_row(name, text)
    console.print(elements)


def _row(name: str, activations: str, config: str | None) -> dict:
    reasons: dict[str, str | None] = {}
    if config is not None:
        loaded = load_config(config)
        reasons[loaded.pe] = reason_against(name, activations, loaded)
    for pe in ELEMENTS if config is None else ():
        try:
            built = config_for(Combination(name, activations, pe))
        except ConfigError as error:
            if name not in WEIGHTS or activations not in ACTIVATIONS:
                raise
            reasons[pe] = str(error)
            continue
        reasons[pe] = reason_against(name, activations, built)
    known = WEIGHTS[name]
    return {
        "name": name,
        "bits": known.bits,
        "planes": known.planes,
        "accuracy": known.accuracy,
        "page": f"docs/formats/{known.family}.md",
        "entry": known.entry,
        "reasons": reasons,
    }


def _weight_table(rows: list[dict], activations: str, config: str | None) -> Table:
    where = "" if config is None else f" on {config}"
    table = Table(title=f"weights, with {activations} activations{where}", title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("bits", justify="right")
    table.add_column("planes", justify="right")
    for pe in rows[0]["reasons"]:
        table.add_column(pe, justify="center", no_wrap=True)
    table.add_column("re-encoding")
    for row in rows:
        marks = ["yes" if reason is None else "-" for reason in row["reasons"].values()]
        table.add_row(row["name"], f"{row['bits']:g}", str(row["planes"]), *marks, row["accuracy"])
    return table


def _activation_table() -> Table:
    table = Table(title="activations", title_justify="left")
    for header in ("name", "bits", "needs", "re-encoding"):
        table.add_column(header)
    for acts in ACTIVATIONS.values():
        needs = f"act_bits >= {acts.act_bits}" + (
            ", act_exponent_bits" if acts.block_scaled else ""
        )
        table.add_row(acts.name, str(acts.bits), needs, acts.accuracy)
    return table


def _everything(rows: list[dict]) -> dict:
    weights = []
    for row in rows:
        supported = {pe: reason is None for pe, reason in row["reasons"].items()}
        reasons = {pe: reason for pe, reason in row["reasons"].items() if reason is not None}
        weights.append({**row, "supported": supported, "reasons": reasons})
    activations = [
        {
            "name": acts.name,
            "bits": acts.bits,
            "act_bits": acts.act_bits,
            "block_scaled": acts.block_scaled,
            "accuracy": acts.accuracy,
        }
        for acts in ACTIVATIONS.values()
    ]
    elements = [{"name": name, "computes": text} for name, text in ELEMENTS.items()]
    return {"weights": weights, "activations": activations, "elements": elements}
