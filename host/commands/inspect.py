"""``lutra inspect``: what a model file holds, and what becomes of it on the accelerator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from ..importers import EncodedTensor, ImportedTensor, Model, PlainTensor, load_model
from ..quantized_matrix import QuantizedMatrix
from .consoles import results_console

__all__ = ["inspect"]


def inspect(
    model: Annotated[
        Path, typer.Argument(help="A .gguf, .safetensors or .onnx file, or a folder with one.")
    ],
    errors: Annotated[
        bool, typer.Option(help="Read every quantised tensor and measure its error.")
    ] = False,
    scale_bits: Annotated[int, typer.Option(help="Width of the integer group scales.")] = 8,
    exact: Annotated[bool, typer.Option(help="Keep scales whole, in several products.")] = False,
    match: Annotated[str, typer.Option(help="Only tensors with this in their names.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the tensors of a model file: types, shapes, and what the accelerator makes of them.

    What a tensor becomes is its bits and group size. --errors reads all of it and prints planes (of
    each product, where it takes several) and what integer group scales cost: the largest error
    relative to the largest weight, the root mean square one relative to that of the weights, and
    the bound of the largest, from the scales alone.
    """
    opened = load_model(model, scale_bits=scale_bits, exact=exact)
    rows = []
    for name, tensor in opened.tensors.items():
        if match in name:
            measured = isinstance(tensor, ImportedTensor) and errors
            rows.append(_row(tensor, opened.encode(name) if measured else None))
    if as_json:
        print(json.dumps({"format": opened.format, "tensors": rows}, indent=2))
        return
    console = results_console()
    console.print(_table(opened, rows, errors))


def _row(tensor: ImportedTensor | PlainTensor, encoded: EncodedTensor | None) -> dict:
    row: dict = {
        "name": tensor.name,
        "type": tensor.type,
        "shape": list(tensor.shape),
        "bytes": tensor.nbytes,
    }
    if isinstance(tensor, PlainTensor):
        return row | {"becomes": "not read" if tensor.refusal else "array"}
    row |= {
        "bits": tensor.bits,
        "group_size": tensor.group_size,
        "becomes": f"{tensor.bits} bits / {tensor.group_size}",
    }
    if encoded is not None:
        matrix = encoded.matrix
        single = isinstance(matrix, QuantizedMatrix)
        parts = [matrix] if single else [part.matrix for part in matrix.parts]
        planes = [len(part.planes) for part in parts]
        row |= {
            "planes": planes,
            "becomes": f"{'+'.join(map(str, planes))} planes",
            "max_error": encoded.max_error,
            "rms_error": encoded.rms_error,
            "bound": encoded.bound,
        }
    return row


def _table(model: Model, rows: list[dict], errors: bool) -> Table:
    total = sum(row["bytes"] for row in rows)
    title = f"{model.format}, {len(rows)} of {len(model)} tensors, {total:,} bytes"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("tensor", overflow="fold")
    figures = {"max": "max_error", "rms": "rms_error", "bound": "bound"} if errors else {}
    for name in ("type", "shape", "bytes", "becomes", *figures):
        table.add_column(name, justify="left" if name == "type" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            row["type"],
            "x".join(map(str, row["shape"])),
            f"{row['bytes']:,}",
            row["becomes"],
            *(f"{row[name]:.1e}" if name in row else "" for name in figures.values()),
        )
    return table
