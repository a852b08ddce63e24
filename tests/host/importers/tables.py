"""The tables of docs/importers.md: ``python -m tests.host.importers.tables``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from numpy.random import default_rng

from lutra.host.formats.composite import CompositeMatrix
from lutra.host.importers import load_model

from . import test_memory as layers


def main() -> None:
    """Errors of a type's integers, bytes that loading takes, and speed, 1024 x 4096 weights."""
    layers.N = 1024
    print(
        "type | products | planes | max | rms | bound | most | kept | million weights/s", flush=True
    )
    for name, make in layers.LAYERS.items():
        with tempfile.TemporaryDirectory(prefix="lutra-") as folder:
            path, tensor = make(Path(folder), default_rng(1))
            model = load_model(path)
            model[tensor]  # modules that are imported when they are first needed
            peak, held = layers.peak_of(model, tensor)
            began = time.perf_counter()
            found = model.encode(tensor)
            seconds = time.perf_counter() - began
        matrix = found.matrix
        parts = (
            [p.matrix for p in matrix.parts] if isinstance(matrix, CompositeMatrix) else [matrix]
        )
        planes = " + ".join(str(len(part.planes)) for part in parts)
        errors = (f"{100 * e:.2f} %" for e in (found.max_error, found.rms_error, found.bound))
        speed = layers.N * layers.K / seconds / 1e6
        print(name, len(parts), planes, *errors, f"{peak:.2f}", f"{held:.2f}", f"{speed:.0f}",
              sep=" | ", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
