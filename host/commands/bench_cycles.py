"""``lutra bench cycles``: how busy the array is, what planes cost, what memory allows."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from ...hw.config import Config
from ..accelerator import Accelerator
from ..cluster import Cluster
from ..quantized_matrix import QuantizedMatrix
from ..split import SplitAxis
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
    bound_fraction: the longer of the lookups and the bytes that have to be moved, over the cycles,
    with a memory that answers after 100 cycles. speedup: cycles of one accelerator over those of
    two that share the matrix.
    """
    figures = [
        Figure("utilisation.1x4096x4096.w2", _utilisation(config, 1, 4096, 4096), "1"),
        Figure("utilisation.16x1024x1024.w2", _utilisation(config, 16, 1024, 1024), "1"),
        Figure("cycles_ratio.w4_w1.1x4096x4096", _planes_ratio(config), "1"),
        Figure("bandwidth_fraction.1x4096x4096.w2.8B", _bandwidth_fraction(config), "1"),
    ]
    for m, n, k, width in _BOUNDED:
        name = f"bound_fraction.{m}x{n}x{k}.w2.latency100" + (f".{width}B" if width else "")
        figures.append(Figure(name, _bound_fraction(config, m, n, k, width), "1"))
    for axis in ("outputs", "inputs"):
        name = "speedup.2_accelerators.1x4096x4096" + (".inputs" if axis == "inputs" else "")
        figures.append(Figure(name, _speedup(config, axis), "1"))
    print_figures(figures, as_json=as_json, title=f"cycles of {config}")


#: M, N, K and bytes a cycle (0: a beat) of the products that are compared with their bounds.
_BOUNDED = (
    (32, 4096, 4096, 0),
    (1, 4096, 11008, 0),
    (1, 11008, 4096, 0),
    (1, 4096, 11008, 8),
    (32, 4096, 4096, 8),
)


def _utilisation(config: str, m: int, n: int, k: int) -> float:
    counters, _ = _run(config, m, n, k, bits=2)
    return counters["array_busy"] / counters["cycles"]


def _planes_ratio(config: str) -> float:
    four, _ = _run(config, 1, 4096, 4096, bits=4)
    one, _ = _run(config, 1, 4096, 4096, bits=1)
    return four["cycles"] / one["cycles"]


def _bandwidth_fraction(config: str) -> float:
    n = k = 4096
    counters, design = _run(config, 1, n, k, bits=2, bytes_per_cycle=8)
    return _needed(design, 1, n, k) / (8 * counters["cycles"])


def _bound_fraction(config: str, m: int, n: int, k: int, bytes_per_cycle: int) -> float:
    counters, design = _run(config, m, n, k, bits=2, bytes_per_cycle=bytes_per_cycle, latency=100)
    moving = _needed(design, m, n, k) / (bytes_per_cycle or design.axi_bits // 8)
    return max(counters["array_busy"], moving) / counters["cycles"]


def _needed(design: Config, m: int, n: int, k: int) -> float:
    """Bytes of weights, activations and outputs once each: no instructions, no padding."""
    return n * k * 2 / 8 + m * k * design.act_elem_bits / 8 + m * n * design.out_bits / 8


def _speedup(config: str, axis: SplitAxis) -> float:
    n = k = 4096
    one, _ = _run(config, 1, n, k, bits=2)
    with Cluster.open(2, config=config) as cluster:
        x, weights = _random(cluster.config, 1, n, k, bits=2)
        cluster.matmul(x, cluster.load(weights, axis=axis))
        return one["cycles"] / cluster.counters["cycles"]


def _random(
    design: Config, m: int, n: int, k: int, *, bits: int
) -> tuple[np.ndarray, QuantizedMatrix]:
    random = np.random.default_rng(n + k + bits)
    codes = random.integers(0, 1 << bits, (n, k)).astype(np.uint8)
    limit = 1 << design.act_bits - 1
    dtype = np.int8 if design.act_bits <= 8 else np.int16
    x = random.integers(-limit, limit, (m, k)).astype(dtype)
    return x, QuantizedMatrix.from_codes(codes, bits)


def _run(
    config: str, m: int, n: int, k: int, *, bits: int, bytes_per_cycle: int = 0, latency: int = 32
) -> tuple[dict[str, int], Config]:
    """Counters of one random product, and what the device was generated from."""
    options = {"bytes_per_cycle": bytes_per_cycle, "latency": latency}
    with Accelerator.open("sim", config=config, **options) as device:
        x, weights = _random(device.config, m, n, k, bits=bits)
        device.matmul(x, device.load(weights))
        return device.counters, device.config
