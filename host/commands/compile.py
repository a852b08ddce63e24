"""``lutra compile``: a model file to a program, packed weights and a manifest in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .consoles import results_console
from .figures import Figure, print_figures
from .progress import matrices_progress

__all__ = ["compile_"]


def compile_(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    config: Annotated[
        str, typer.Option("--config", "-c", help="Configuration: preset, name or TOML file.")
    ] = "w2a8",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; <model>.lutra by default.")
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(min=1, max=8, help="Bits of weights that the model has in floating point.",
                     show_default="those of the configuration"),
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option(min=1, help="Inputs that share a scale.", show_default="the whole row"),
    ] = None,
    zero_points: Annotated[
        bool, typer.Option("--zero-points", help="Quantise with a zero point a group.")
    ] = False,
    activations: Annotated[
        str, typer.Option(help="Format of activations: int4, int8, uint8, int16, e4m3, bf16, ...")
    ] = "int8",
    rows: Annotated[
        list[int] | None,
        typer.Option("--rows", "-m", min=1, help="Activation rows to build programs for; "
                     "may be repeated.", show_default="1"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:  # fmt: skip
    """Put a model's matrix products on the accelerator and leave the rest to onnxruntime.

    Quantised weights are taken as they are, floating-point ones are rounded to nearest. `lutra
    run-model` runs the result on any device of the same configuration.
    """
    from ..graph.compile import compile_onnx  # needs onnx, of an extra
    from ..graph.compiled import ChainRun, DeviceRun, HostRun
    from ..graph.compiled_file import save_compiled

    if not model.is_file():
        raise FileNotFoundError(f"{model} must be an ONNX file")
    target = out or model.with_suffix(".lutra")
    with matrices_progress("packing") as progress:
        compiled = compile_onnx(
            model, config, bits=bits, group_size=group_size, symmetric=not zero_points,
            activations=activations, rows=tuple(rows or (1,)), progress=progress,
        )  # fmt: skip
    save_compiled(compiled, target)
    if not as_json:
        table = Table(title=f"{compiled.name} for {config}", title_justify="left")
        table.add_column("weights")
        table.add_column("on the device")
        for name, note in compiled.notes.items():
            table.add_row(name, note)
        results_console().print(table)
    runs = [run for step in compiled.steps
            for run in (step.runs if isinstance(step, ChainRun) else (step,))
            if isinstance(run, DeviceRun)]  # fmt: skip
    products = sum(len(run.outputs) for run in runs)
    hosts = sum(isinstance(step, HostRun) for step in compiled.steps)
    chains = sum(isinstance(step, ChainRun) for step in compiled.steps)
    used = sum(size for _, size in compiled.image.pieces)
    print_figures(
        [
            Figure("compile.products", products, "products"),
            Figure("compile.matrices", len(compiled.image.matrices), "matrices"),
            Figure("compile.chains", chains, "chains"),
            Figure("compile.host_parts", hosts, "parts"),
            Figure("compile.device_bytes", used, "bytes"),
            Figure("compile.file_bytes", target.stat().st_size, "bytes"),
        ],
        as_json=as_json,
        title=str(target),
    )
