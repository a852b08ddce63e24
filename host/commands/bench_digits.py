"""``lutra bench digits``: a classifier of scikit-learn with its products on the accelerator."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from rich.table import Table

from ..accelerator import Accelerator
from .consoles import notes_console, results_console
from .figures import Figure, print_figures
from .model_options import BitsOption, ConfigOption, DeviceOption, GroupSizeOption, JsonOption

__all__ = ["bench_digits"]


def bench_digits(
    config: ConfigOption = "w2a8",
    bits: BitsOption = None,
    device: DeviceOption = "sim",
    group_size: GroupSizeOption = 32,
    as_json: JsonOption = False,
) -> None:
    """Compare a classifier from an outside exporter with float32, at several weight widths.

    scikit-learn trains a perceptron of 64, 128, 64 and 10 on the digits that it bundles, skl2onnx
    exports it, and 450 held-out digits go through it: in onnxruntime, and compiled, with weights
    rounded to nearest, a scale and a zero point a group, activations to 8 bits a row.
    """
    from ..encoder.digits import classify, export_classifier, read_digits
    from ..graph.compile import compile_onnx

    digits = read_digits()
    figures, rows = [], []
    with tempfile.TemporaryDirectory(prefix="lutra-") as folder:
        graph = Path(folder) / "digits.onnx"
        with notes_console().status("training ..."):
            export_classifier(digits, graph)
        wanted = classify(graph, digits.test)
        right = float((wanted.labels == digits.test_labels).mean())
        figures.append(Figure("digits.float32.accuracy", right, "1"))
        rows.append(("float32", f"{right:.4f}", "", "", ""))
        for width in bits or (8, 4, 3, 2):
            count = len(digits.test)
            with notes_console().status(f"{width}-bit weights ..."):
                compiled = compile_onnx(
                    graph, config, bits=width, group_size=group_size, symmetric=False, rows=(count,)
                )
                with Accelerator.open(device, config=config) as accelerator:
                    found = classify(compiled, digits.test, accelerator)
            right = float((found.labels == digits.test_labels).mean())
            same = float((found.labels == wanted.labels).mean())
            worst = float(np.abs(found.probabilities - wanted.probabilities).max())
            each = found.cycles / count
            name = f"digits.w{width}a8"
            figures += [
                Figure(f"{name}.accuracy", right, "1"),
                Figure(f"{name}.same_label", same, "1"),
                Figure(f"{name}.worst_probability", worst, "1"),
                Figure(f"{name}.cycles", each, "cycles/digit"),
            ]
            rows.append(
                (f"w{width}a8", f"{right:.4f}", f"{same:.4f}", f"{worst:.3f}", f"{each:,.0f}")
            )
    if as_json:
        print_figures(figures, as_json=True, title="")
        return
    table = Table(
        title=f"scikit-learn's digits on {config} ({device}), 450 held out", title_justify="left"
    )
    for header in ("widths", "accuracy", "same label", "worst prob.", "cycles/digit"):
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*row)
    results_console().print(table)
