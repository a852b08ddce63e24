"""Estimates of layers against the compiled hardware: cycles within 2 %, bytes exact.

Shapes are those of real models with every side an eighth or a sixteenth. Seconds on one core.
"""

from __future__ import annotations

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.estimator.catalogue import MODELS
from lutra.host.estimator.estimate import product_counters
from lutra.host.estimator.model_shape import Linear, WeightFormat
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.sim.cycles import MemoryTiming

#: Model, layer, divisor of both sides, rows.
LAYERS = [
    ("bitnet-3b", "attn_qkv", 8, 1),
    ("bitnet-3b", "attn_output", 8, 32),
    ("bitnet-3b", "ffn_down", 8, 1),
    ("bitnet-3b", "output", 16, 1),
    ("bitnet-2b-4t", "attn_qkv", 8, 1),
    ("bitnet-2b-4t", "ffn_gate_up", 8, 8),
    ("bitnet-2b-4t", "ffn_down", 8, 32),
    ("llama-2-7b", "attn_output", 8, 1),
    ("llama-2-7b", "ffn_gate_up", 16, 1),
    ("llama-3-8b", "attn_qkv", 8, 4),
    ("qwen2.5-7b", "ffn_down", 16, 1),
    ("opt-1.3b", "ffn_up", 8, 16),
]

#: Latency and bytes a cycle: a wide memory far away, one like the ULX3S's, and one between.
MEMORIES = [(100, 0), (45, 2), (30, 13)]


def scaled(model: str, name: str, divisor: int) -> Linear:
    (linear,) = (layer for layer in MODELS[model].linears() if layer.name == name)
    return Linear(name=name, n=linear.n // divisor, k=linear.k // divisor, count=1,
                  weights=linear.weights)  # fmt: skip


def matrix_of(linear: Linear) -> QuantizedMatrix:
    w: WeightFormat = linear.weights
    rng = np.random.default_rng(linear.n)
    codes = rng.integers(0, 3 if w.ternary else 1 << w.bits, (linear.n, linear.k), dtype=np.uint8)
    options = {"zero_points": 1} if w.ternary else {}
    if w.group_size is not None:
        # Scales as small as sums of trained weights are: none needs a second segment.
        groups = -(-linear.k // w.group_size)
        options["group_size"] = w.group_size
        options["group_scales"] = rng.integers(1, 9, (linear.n, groups))
    return QuantizedMatrix.from_codes(codes, w.bits, **options)


@pytest.mark.parametrize(("latency", "bytes_per_cycle"), MEMORIES)
def test_layers_are_within_two_percent(latency: int, bytes_per_cycle: int):
    timing = MemoryTiming(latency=latency, bytes_per_cycle=bytes_per_cycle)
    far = []
    with Accelerator.open(
        "sim", config="w2a8", latency=latency, bytes_per_cycle=bytes_per_cycle
    ) as device:
        for model, name, divisor, rows in LAYERS:
            linear = scaled(model, name, divisor)
            loaded = device.load(matrix_of(linear))
            device.matmul(np.zeros((rows, linear.k), np.int8), loaded)
            counted = device.counters
            loaded.free()
            predicted = product_counters(
                device.config, rows, linear.n, linear.k, linear.weights, timing
            )
            what = f"{rows}x{linear.n}x{linear.k} {linear.weights}"
            for counter in ("array_busy", "bytes_read", "bytes_written"):
                assert predicted[counter] == counted[counter], f"{counter} of {what}"
            error = predicted["cycles"] / counted["cycles"] - 1
            if abs(error) > 0.02:
                far.append(f"{what}: {predicted['cycles']} for {counted['cycles']} ({error:+.1%})")
    assert not far, far
