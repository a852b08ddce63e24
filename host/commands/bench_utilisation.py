"""``lutra bench utilisation``: how busy a large product keeps the array of every element."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from ...gen.config_names import load_config
from ...hw.config import Config
from ..accelerator import Accelerator
from ..formats.codebook import from_ternary
from ..quantized_matrix import QuantizedMatrix
from .figures import Figure, print_figures
from .lists import parts_of

__all__ = ["bench_utilisation"]

_CONFIGS = (
    "w2a8", "w1a8", "w4a8", "w2a4", "w4a16", "w2a8_q8", "w4a8_bf16", "w1p58a8", "lut_tensor_core",
    "w2a2_bitserial", "w2a2_xnor", "w2a8_add", "w2a8_mac", "w4a8_shiftadd",
)  # fmt: skip
_SIZE = 4096
_SERIAL_BITS = 2  # of the activations of a bit-serial element


def bench_utilisation(
    configs: Annotated[str, typer.Option(help="Configurations, separated by commas.")] = ",".join(
        _CONFIGS
    ),
    device: Annotated[
        str, typer.Option(help="golden takes cycles from the cycle model, sim counts them.")
    ] = "golden",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Multiply one row by a 4096 x 4096 matrix of each configuration's nominal width.

    Two-bit weights are ternary ones. Memory answers after 32 cycles with one beat a cycle.
    utilisation: cycles in which the array does lookups, of all from doorbell to end.
    macs_per_cycle: of whole weights.
    """
    figures = []
    for name in parts_of(configs):
        counters = _counters(load_config(name), device)
        cycles = counters["cycles"]
        figures += [
            Figure(f"cycles.1x4096x4096.{name}", cycles, "cycle"),
            Figure(f"utilisation.1x4096x4096.{name}", counters["array_busy"] / cycles, "1"),
            Figure(f"macs_per_cycle.1x4096x4096.{name}", _SIZE * _SIZE / cycles, "MAC/cycle"),
        ]
    print_figures(figures, as_json=as_json, title=f"one row times 4096 x 4096, on {device}")


def _counters(config: Config, device: str) -> dict[str, int]:
    random = np.random.default_rng(1)
    if config.weight_bits == 2:
        weights = from_ternary(random.integers(-1, 2, (_SIZE, _SIZE)).astype(np.int8))
    else:
        bits = config.weight_bits
        codes = random.integers(0, 1 << bits, (_SIZE, _SIZE), np.uint8)
        weights = QuantizedMatrix.from_codes(codes, bits)
    serial = _SERIAL_BITS if config.pe == "bitserial" else None
    with Accelerator.open(device, config=config) as accelerator:
        loaded = accelerator.load(weights)
        accelerator.matmul(np.zeros((1, _SIZE), np.int8), loaded, act_bits=serial)
        return accelerator.counters
