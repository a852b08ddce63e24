"""``lutra bench cycles``: how busy the array is, what planes cost, what memory allows."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from ..accelerator import Accelerator
from ..quantized_matrix import QuantizedMatrix
from .figures import Figure, print_figures

__all__ = ["bench_cycles"]


def bench_cycles(
    config: Annotated[str, typer.Option(help="Configuration.")] = "w2a8",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Count cycles of large products on the simulated hardware.

    utilisation: cycles in which the array looks up, of all cycles from doorbell to end, with a
    memory that answers after 32 cycles with one beat a cycle. cycles_ratio: cycles of four-bit
    weights over those of one-bit weights. bandwidth_fraction: bytes that the product has to move,
    divided by those the memory could have moved in the cycles it took, at 8 bytes a cycle.
    """
    figures = [
        Figure("utilisation.1x4096x4096.w2", _utilisation(config, 1, 4096, 4096), "1"),
        Figure("utilisation.16x1024x1024.w2", _utilisation(config, 16, 1024, 1024), "1"),
        Figure("cycles_ratio.w4_w1.1x4096x4096", _planes_ratio(config), "1"),
        Figure("bandwidth_fraction.1x4096x4096.w2.8B", _bandwidth_fraction(config), "1"),
    ]
    print_figures(figures, as_json=as_json, title=f"cycles of {config}")


def _utilisation(config: str, m: int, n: int, k: int) -> float:
    counters, _ = _run(config, m, n, k, bits=2)
    return counters["array_busy"] / counters["cycles"]


def _planes_ratio(config: str) -> float:
    four, _ = _run(config, 1, 4096, 4096, bits=4)
    one, _ = _run(config, 1, 4096, 4096, bits=1)
    return four["cycles"] / one["cycles"]


def _bandwidth_fraction(config: str) -> float:
    n = k = 4096
    counters, out_bytes = _run(config, 1, n, k, bits=2, bytes_per_cycle=8)
    # Weights, activations and outputs once each; instructions and padding do not count.
    needed = n * k * 2 / 8 + k + n * out_bytes
    return needed / (8 * counters["cycles"])


def _run(
    config: str, m: int, n: int, k: int, *, bits: int, bytes_per_cycle: int = 0
) -> tuple[dict[str, int], int]:
    """Counters of one random product, and bytes of one output."""
    random = np.random.default_rng(n + k + bits)
    codes = random.integers(0, 1 << bits, (n, k)).astype(np.uint8)
    with Accelerator.open("sim", config=config, bytes_per_cycle=bytes_per_cycle) as device:
        limit = 1 << device.config.act_bits - 1
        dtype = np.int8 if device.config.act_bits <= 8 else np.int16
        x = random.integers(-limit, limit, (m, k)).astype(dtype)
        device.matmul(x, device.load(QuantizedMatrix.from_codes(codes, bits)))
        return device.counters, device.config.out_bits // 8
