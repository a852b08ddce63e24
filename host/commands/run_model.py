"""``lutra run-model``: a compiled model on a device."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..accelerator import Accelerator
from ..errors import LutraError
from .consoles import notes_console
from .figures import Figure, print_figures

__all__ = ["run_model"]


def run_model(
    model: Annotated[Path, typer.Argument(help="File of lutra compile.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", "-i", help=".npz file with an array for each input.",
                     show_default="random numbers"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=".npz file for the outputs.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device: sim, golden, board, serial:<port>.")
    ] = "sim",
    reference: Annotated[
        Path | None,
        typer.Option(help="The ONNX file it was compiled from: compare with onnxruntime."),
    ] = None,
    extent: Annotated[
        int, typer.Option(min=1, help="Free extents of random inputs.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of random inputs.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:  # fmt: skip
    """Run a compiled model on a device of its configuration, its other operators in onnxruntime."""
    from ..graph.compiled_file import load_compiled
    from ..graph.inputs import random_inputs, read_inputs, write_outputs
    from ..graph.reference import compare
    from ..graph.runner import ModelRunner

    if out is not None and out.suffix != ".npz":
        raise LutraError(f"out must end in .npz, not {out.name!r}")
    compiled = load_compiled(model)
    given = random_inputs(compiled, extent, seed) if inputs is None else read_inputs(inputs)
    config = compiled.config
    with notes_console().status("opening the device ..."):
        accelerator = Accelerator.open(device, config=config)
    with accelerator, ModelRunner(compiled, accelerator) as runner:
        began = time.perf_counter()
        outputs = runner.run(given)
        seconds = time.perf_counter() - began
        counters = runner.counters
    if out is not None:
        write_outputs(out, outputs)
    figures = [
        Figure("run_model.seconds", seconds, "s"),
        Figure("run_model.cycles", counters["cycles"], "cycles"),
        Figure("run_model.utilisation", counters["array_busy"] / max(counters["cycles"], 1), "1"),
        Figure("run_model.bytes_read", counters["bytes_read"], "bytes"),
    ]
    if reference is not None:
        for name, agreement in compare(reference, given, outputs).items():
            figures.append(Figure(f"run_model.cosine.{name}", agreement.cosine, "1"))
            figures.append(Figure(f"run_model.largest_error.{name}", agreement.largest, "1"))
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in outputs.items())
    print_figures(figures, as_json=as_json, title=f"{compiled.name} on {device}: {shapes}")
