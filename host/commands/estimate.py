"""``lutra estimate``: what a model would cost on a board."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ...gen.config_names import load_config
from ..estimator import (
    Estimate,
    ModelShape,
    Platform,
    WeightFormat,
    find_model,
    find_platform,
    model_names,
    platform_names,
)
from ..estimator import estimate as estimate_model
from ..estimator.roofline import draw_roofline
from .consoles import results_console
from .estimate_boards import compare_boards
from .figures import Figure, print_figures

__all__ = ["estimate"]


def estimate(
    model: Annotated[
        str, typer.Option(help="Name of a built-in model, a config.json, or a GGUF file.")
    ] = "bitnet-3b",
    board: Annotated[str, typer.Option(help="Board, of Lutra's or assumed.")] = "ulx3s",
    config: Annotated[
        str | None, typer.Option(help="Configuration.", show_default="the board's")
    ] = None,
    clock: Annotated[
        float | None, typer.Option(min=0.001, help="Clock in MHz.", show_default="the board's")
    ] = None,
    bandwidth: Annotated[
        float | None, typer.Option(min=0.001, help="Memory in MB/s.", show_default="the board's")
    ] = None,
    latency: Annotated[
        int | None, typer.Option(min=1, help="Memory in cycles.", show_default="the board's")
    ] = None,
    accelerators: Annotated[int, typer.Option(min=1, help="That share the memory.")] = 1,
    prompt: Annotated[int, typer.Option(min=1, help="Tokens that prefill reads at once.")] = 32,
    bits: Annotated[
        int | None, typer.Option(min=1, max=8, help="Of the weights.", show_default="the model's")
    ] = None,
    group_size: Annotated[
        int | None, typer.Option(min=0, help="Inputs that share a scale; 0: the whole row.")
    ] = None,
    head_bits: Annotated[
        int | None, typer.Option(min=1, max=8, help="Of the output layer.", show_default="8")
    ] = None,
    context: Annotated[int, typer.Option(min=0, help="Positions in the cache.")] = 0,
    cache_bits: Annotated[
        int | None,
        typer.Option(min=2, max=8, help="Count attention, with a cache of that many bits."),
    ] = None,
    roofline: Annotated[Path | None, typer.Option(help="Draw into this file.")] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Another board: a table of all, beside published figures; may be repeated.",
        ),
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="List models and boards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Predict cycles, bytes and tokens a second of a model that may be too large to simulate.

    Each layer's program is built and timed by the cycle model. Not counted: the host's own work,
    activations on their way between host and device, and, without --cache-bits, attention.
    """
    if names:
        _print_names(as_json=as_json)
        return
    shape = _with_weights(find_model(model), bits, group_size, head_bits)
    chosen = load_config(config) if config else None
    if others:
        compare_boards(shape, [board, *others], chosen, prompt, as_json=as_json)
        return
    platform = _changed(find_platform(board), clock, bandwidth, latency, accelerators)
    result = estimate_model(
        shape, platform, config=chosen, prompt=prompt, context=context, cache_bits=cache_bits
    )
    if roofline is not None:
        draw_roofline(result, roofline)
    if as_json:
        print_figures(_figures(result), as_json=True, title="")
        return
    _print(result)


def _with_weights(
    shape: ModelShape, bits: int | None, group_size: int | None, head_bits: int | None
) -> ModelShape:
    if bits is not None or group_size is not None:
        old = shape.weights
        group = old.group_size if group_size is None else group_size or None
        ternary = old.ternary and bits is None
        shape = replace(
            shape,
            weights=WeightFormat(bits=bits or old.bits, ternary=ternary, group_size=group),
        )
    if head_bits is not None:
        shape = replace(shape, head=WeightFormat(bits=head_bits))
    return shape


def _changed(
    platform: Platform,
    clock: float | None,
    bandwidth: float | None,
    latency: int | None,
    accelerators: int,
) -> Platform:
    hertz = platform.clock_hz if clock is None else clock * 1e6
    rate = platform.bandwidth
    if clock is not None and not platform.assumed:
        rate *= hertz / platform.clock_hz  # the memory runs at the accelerator's clock
    if bandwidth is not None:
        rate = bandwidth * 1e6
    changes = {} if latency is None else {"latency": latency}
    return replace(platform, clock_hz=hertz, bandwidth=rate, accelerators=accelerators, **changes)


def _figures(e: Estimate) -> list[Figure]:
    name = f"estimate.{e.model.name}.{e.platform.name}"
    figures = [
        Figure(f"{name}.decode_tokens_per_s", e.tokens_per_second("decode"), "tokens/s"),
        Figure(f"{name}.prefill_tokens_per_s", e.tokens_per_second("prefill"), "tokens/s"),
        Figure(f"{name}.decode_cycles", e.cycles("decode"), "cycles/token"),
        Figure(f"{name}.prefill_cycles", e.cycles("prefill") / e.prompt, "cycles/token"),
        Figure(f"{name}.decode_bytes", e.bytes("decode"), "bytes/token"),
        Figure(f"{name}.prefill_bytes", e.bytes("prefill") / e.prompt, "bytes/token"),
        Figure(f"{name}.weight_bytes", e.weight_bytes, "bytes"),
        Figure(f"{name}.memory_bytes", e.platform.memory_bytes, "bytes"),
        Figure(f"{name}.fits", int(e.fits), "1"),
        Figure(f"{name}.clock", e.platform.clock_hz, "Hz"),
        Figure(f"{name}.bandwidth", e.platform.bandwidth, "bytes/s"),
    ]
    for phase in ("decode", "prefill"):
        for layer in getattr(e, phase):
            where = f"{name}.{phase}.{layer.linear.name}"
            figures += [
                Figure(f"{where}.cycles", layer.cycles, "cycles"),
                Figure(f"{where}.bytes", layer.bytes, "bytes"),
                Figure(f"{where}.bandwidth_bound", int(layer.bound == "bandwidth"), "1"),
                Figure(f"{where}.bound_fraction", layer.bound_fraction, "1"),
            ]
    return figures


def _print(e: Estimate) -> None:
    console = results_console(soft_wrap=True)
    p = e.platform
    total = e.cycles("decode"), e.cycles("prefill")
    table = Table(
        title=f"{e.model.name} ({e.model.weights}; output layer {e.model.head}) on {p.name}, "
        f"{e.config.name}",
        title_justify="left",
    )
    for title in ("phase", "layer", "N x K", "times", "cycles", "share", "bound by", "reached"):
        table.add_column(title, justify="left" if title in ("phase", "layer") else "right")
    for phase in ("decode", "prefill"):
        for layer in getattr(e, phase):
            linear = layer.linear
            table.add_row(
                phase, linear.name, f"{linear.n} x {linear.k}", str(linear.count),
                f"{layer.cycles:,}", f"{layer.cycles / e.cycles(phase):.1%}",
                layer.bound, f"{layer.bound_fraction:.1%}",
            )  # fmt: skip
        table.add_section()
    console.print(table)
    console.print(
        f"decode:  {e.tokens_per_second('decode'):,.4g} tokens/s, "
        f"{total[0]:,} cycles and {e.bytes('decode'):,} bytes a token"
    )
    console.print(
        f"prefill: {e.tokens_per_second('prefill'):,.4g} tokens/s in prompts of {e.prompt}, "
        f"{total[1] // e.prompt:,} cycles and {e.bytes('prefill') // e.prompt:,} bytes a token"
    )
    console.print(
        f"{p.title}: {p.clock_hz / 1e6:g} MHz, {p.bandwidth / 1e6:,.4g} MB/s sustained, latency "
        f"{p.latency} cycles, {p.memory}"
        + (f"; {p.accelerators} accelerators" if p.accelerators > 1 else "")
    )
    if p.assumed:
        console.print("Lutra has no build for this board: clock and bandwidth are assumed.")
    if not e.fits:
        console.print(
            f"The weights take {e.weight_bytes / 2**20:,.0f} MiB and do NOT fit: the figures are "
            "those of a memory as fast and large enough."
        )


def _print_names(*, as_json: bool) -> None:
    if as_json:
        models = [asdict(find_model(name)) for name in model_names()]
        boards = [asdict(find_platform(name)) for name in platform_names()]
        sys.stdout.write(json.dumps({"models": models, "boards": boards}, indent=2) + "\n")
        return
    console = results_console()
    table = Table(
        "model", "weights", "linear weights", "from", title="models", title_justify="left"
    )
    for name in model_names():
        shape = find_model(name)
        table.add_row(name, str(shape.weights), f"{shape.parameters / 1e6:,.0f} M", shape.source)
    console.print(table)
    table = Table("board", "clock", "memory", "MB/s", "what", title="boards", title_justify="left")
    for name in platform_names():
        p = find_platform(name)
        rate = f"{p.bandwidth / 1e6:,.0f}" if p.bandwidth else "-"
        table.add_row(name, f"{p.clock_hz / 1e6:g} MHz", p.memory, rate, p.title)
    console.print(table)
