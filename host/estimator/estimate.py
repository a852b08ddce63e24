"""Cycles, bytes and tokens a second of a whole model, layer by layer.

Every layer's program is built as the driver would build it and timed by the cycle model
(`lutra.sim.cycles`), so that an estimate is off by no more than that is. What the host does
(normalisation, softmax, sampling), and moving activations between host and device, are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ...gen.config_names import load_config
from ...hw.config import Config
from ...sim.cycles import MemoryTiming, predict
from ..schedule import Addresses, build_program
from ..shape_layout import layout_of_shape
from .model_shape import Linear, ModelShape, WeightFormat
from .platforms import Platform

__all__ = ["Estimate", "LayerEstimate", "Phase", "estimate", "product_counters"]

#: Rows of one program, as the driver cuts larger products.
_BATCH_ROWS = 1024

Phase = Literal["decode", "prefill"]


@dataclass(frozen=True, kw_only=True)
class LayerEstimate:
    """One kind of product in one phase, all its occurrences together.

    Attributes
    ----------
    linear : Linear
    rows : int
        Activation rows of each product.
    cycles, lookups, bytes : int
        Of all accelerators at once: cycles of the slowest, cycles in which its array is busy,
        bytes of all.
    memory_cycles : float
        What moving these bytes takes at the memory's full bandwidth.
    bound : {"lookups", "bandwidth"}
        Which of the two is the longer.
    bound_fraction : float
        The longer of the two over the cycles.
    """

    linear: Linear
    rows: int
    cycles: int
    lookups: int
    bytes: int
    memory_cycles: float

    @property
    def bound(self) -> Literal["lookups", "bandwidth"]:
        """What takes longer: looking up, or moving."""
        return "lookups" if self.lookups >= self.memory_cycles else "bandwidth"

    @property
    def bound_fraction(self) -> float:
        """The longer of the two over the cycles: 1 where nothing else costs anything."""
        return max(self.lookups, self.memory_cycles) / self.cycles

    @property
    def macs(self) -> int:
        """Multiply-accumulates of whole weights."""
        return self.rows * self.linear.n * self.linear.k * self.linear.count


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A model on a platform.

    Attributes
    ----------
    model : ModelShape
    platform : Platform
    config : Config
    prompt : int
        Tokens that prefill reads at once.
    decode, prefill : tuple of LayerEstimate
        Of one token; of the whole prompt.
    weight_bytes : int
        All weights and group parameters as they lie in memory, the token embedding not counted.
    """

    model: ModelShape
    platform: Platform
    config: Config
    prompt: int
    decode: tuple[LayerEstimate, ...]
    prefill: tuple[LayerEstimate, ...]
    weight_bytes: int

    @property
    def fits(self) -> bool:
        """The weights fit the board's memory."""
        return self.weight_bytes <= self.platform.memory_bytes

    def cycles(self, phase: Phase) -> int:
        """Of a token (decode) or of the prompt (prefill)."""
        return sum(layer.cycles for layer in getattr(self, phase))

    def bytes(self, phase: Phase) -> int:
        """Read and written, by a token or by the prompt."""
        return sum(layer.bytes for layer in getattr(self, phase))

    def tokens_per_second(self, phase: Phase) -> float:
        """Decode: tokens written; prefill: tokens of the prompt read."""
        tokens = 1 if phase == "decode" else self.prompt
        return tokens * self.platform.clock_hz / self.cycles(phase)


def estimate(
    model: ModelShape,
    platform: Platform,
    *,
    config: Config | None = None,
    prompt: int = 32,
    context: int = 0,
    cache_bits: int | None = None,
) -> Estimate:
    """Estimate a model.

    Parameters
    ----------
    model : ModelShape
    platform : Platform
    config : Config, optional
        By default what the platform is built with.
    prompt : int
        Tokens of the prompt.
    context : int
        Positions that a written token attends to, where attention is counted.
    cache_bits : int, optional
        Count attention's products, with keys and values of that many bits as the low-bit operand
        (`lutra.host.attention`); by default the host computes attention.

    Raises
    ------
    EstimateError
        The platform has no memory to speak of.
    UnsupportedFormatError
        The configuration was not built for the weights.
    """
    config = config or load_config(platform.config)
    timing = platform.timing(config)
    linears = model.linears()

    def phase(tokens: int, seen: int) -> tuple[LayerEstimate, ...]:
        layers = [
            _layer(linear, tokens if linear.every_token else 1, platform, config, timing)
            for linear in linears
        ]
        if cache_bits is not None and seen:
            layers += _attention(model, tokens, seen, cache_bits, platform, config, timing)
        return tuple(layers)

    return Estimate(
        model=model,
        platform=platform,
        config=config,
        prompt=prompt,
        decode=phase(1, context),
        prefill=phase(prompt, prompt),
        weight_bytes=sum(_weight_bytes(linear, config) for linear in linears),
    )


@lru_cache(maxsize=256)
def product_counters(
    config: Config, rows: int, n: int, k: int, weights: WeightFormat, timing: MemoryTiming
) -> dict[str, int]:
    """Predicted counters of one product ``[rows, K] x [N, K]``."""
    layout = layout_of_shape(
        config, n, k, weights.bits, ternary=weights.ternary, group_size=weights.group_size,
        any_codes=False,
    )  # fmt: skip
    planes = config.act_bits if config.pe == "bitserial" else 1
    total: dict[str, int] = {}
    for first in range(0, rows, _BATCH_ROWS):
        row_blocks = -(-min(_BATCH_ROWS, rows - first) // config.rows)
        size, page = 0, 4096
        places: list[int] = []
        for image in (layout.weight_bytes, layout.group_bytes, layout.act_bytes(row_blocks)):
            places.append(size)
            size += -(-image // page) * page
        addresses = Addresses(
            weights=places[0], groups=places[1], activations=places[2], outputs=size
        )
        program = build_program(layout, row_blocks, addresses, act_planes=planes, timing=timing)
        for name, count in predict(config, program, timing).items():
            total[name] = total.get(name, 0) + count
    return total


def _layer(
    linear: Linear, rows: int, platform: Platform, config: Config, timing: MemoryTiming
) -> LayerEstimate:
    blocks = -(-linear.n // config.lanes)
    n = min(linear.n, -(-blocks // platform.accelerators) * config.lanes)
    counters = product_counters(config, rows, n, linear.k, linear.weights, timing)
    moved = counters["bytes_read"] + counters["bytes_written"]
    rate = timing.bytes_per_cycle
    # Without a limit, reads and writes have a beat a cycle each.
    beat = config.axi_bits / 8
    moving = moved / rate if rate else max(counters["bytes_read"], counters["bytes_written"]) / beat
    return LayerEstimate(
        linear=linear,
        rows=rows,
        cycles=counters["cycles"] * linear.count,
        lookups=counters["array_busy"] * linear.count,
        bytes=moved * -(-linear.n // n) * linear.count,
        memory_cycles=moving * linear.count,
    )


def _attention(
    model: ModelShape, tokens: int, seen: int, bits: int, platform: Platform, config: Config,
    timing: MemoryTiming,
) -> Sequence[LayerEstimate]:  # fmt: skip
    """Both products of every head of keys and values, spread over the accelerators by heads."""
    weights = WeightFormat(bits=bits)
    rows = tokens * model.heads // model.kv_heads
    count = model.layers * -(-model.kv_heads // platform.accelerators)
    alone = Platform(**{**vars(platform), "accelerators": 1})
    shapes = (("attn_scores", seen, model.head_width), ("attn_mix", model.head_width, seen))
    return [
        _layer(
            Linear(name=name, n=n, k=k, count=count, weights=weights), rows, alone, config, timing
        )
        for name, n, k in shapes
    ]


def _weight_bytes(linear: Linear, config: Config) -> int:
    w = linear.weights
    layout = layout_of_shape(
        config, linear.n, linear.k, w.bits, ternary=w.ternary, group_size=w.group_size,
        any_codes=False,
    )  # fmt: skip
    return (layout.weight_bytes + layout.group_bytes) * linear.count
