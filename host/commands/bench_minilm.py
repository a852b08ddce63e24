"""``lutra bench minilm``: sentence embeddings with every linear layer on the accelerator."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..accelerator import Accelerator
from .consoles import notes_console, results_console
from .model_options import BitsOption, ConfigOption, DeviceOption, GroupSizeOption, JsonOption

__all__ = ["bench_minilm"]


def bench_minilm(
    config: ConfigOption = "w2a8",
    bits: BitsOption = None,
    device: DeviceOption = "sim",
    group_size: GroupSizeOption = 32,
    count: Annotated[int, typer.Option(min=2, max=32, help="Sentences.")] = 32,
    as_json: JsonOption = False,
) -> None:
    """Compare all-MiniLM-L6-v2 on the accelerator with float32, at several weight widths.

    Weights are rounded to nearest, with a scale and a zero point a group, activations to 8 bits a
    row. The table: mean and least cosine between the two embeddings of a sentence; correlation and
    worst difference of the similarities of all pairs; cycles and seconds of 16 tokens, and
    seconds of all sentences.
    """
    from ..encoder.quality import measure, reference_embeddings
    from ..encoder.sentences import SENTENCES, minilm_folder, write_graph
    from ..graph.compile import compile_onnx

    folder, sentences = minilm_folder(), list(SENTENCES[:count])
    notes = notes_console()
    results, rows = [], []
    with tempfile.TemporaryDirectory(prefix="lutra-") as temporary:
        graph = Path(temporary) / "minilm.onnx"
        write_graph(folder, graph)
        reference = reference_embeddings(folder, graph, sentences)
        for width in bits or (8, 4, 3, 2):
            with notes.status(f"{width}-bit weights ..."):
                compiled = compile_onnx(
                    graph, config, bits=width, group_size=group_size, symmetric=False, rows=(16,)
                )
                with Accelerator.open(device, config=config) as accelerator:
                    began = time.perf_counter()
                    quality = measure(compiled, accelerator, folder, sentences, reference)
                    seconds = time.perf_counter() - began
            name = f"minilm.w{width}a8"
            results += [
                {"name": f"{name}.cosine_mean", "value": quality.cosine_mean, "unit": "1"},
                {"name": f"{name}.cosine_least", "value": quality.cosine_least, "unit": "1"},
                {"name": f"{name}.correlation", "value": quality.correlation, "unit": "1"},
                {"name": f"{name}.worst_similarity", "value": quality.worst, "unit": "1"},
                {"name": f"{name}.cycles", "value": quality.cycles, "unit": "cycles"},
                {"name": f"{name}.cycles_16_tokens", "value": quality.cycles_short,
                 "unit": "cycles"},
                {"name": f"{name}.seconds_16_tokens", "value": quality.seconds_short, "unit": "s"},
            ]  # fmt: skip
            rows.append((
                f"w{width}a8", f"{quality.cosine_mean:.4f}", f"{quality.cosine_least:.4f}",
                f"{quality.correlation:.4f}", f"{quality.worst:.4f}",
                f"{quality.cycles_short:,}", f"{quality.seconds_short:.2f}", f"{seconds:.1f}",
            ))  # fmt: skip
    if as_json:
        print(json.dumps({"results": results}, indent=2))
        return
    table = Table(
        title=f"all-MiniLM-L6-v2 on {config} ({device}), {count} sentences", title_justify="left"
    )
    for header in (
        "widths", "cosine", "least", "corr.", "worst", "cycles/16", "s/16", "s",
    ):  # fmt: skip
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*row)
    results_console().print(table)
