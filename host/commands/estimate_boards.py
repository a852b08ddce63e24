"""``lutra estimate --with``: a model on several boards, beside figures that others published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.table import Table

from ...hw.config import Config
from ..estimator import Estimate, ModelShape, estimate, find_platform
from ..estimator.published import PUBLISHED
from .consoles import results_console
from .figures import Figure, print_figures

__all__ = ["compare_boards"]


def compare_boards(
    shape: ModelShape,
    boards: Sequence[str],
    config: Config | None,
    prompt: int,
    *,
    as_json: bool = False,
) -> None:
    """Print tokens a second on each of `boards`, at their own clocks and memories.

    Raises
    ------
    EstimateError
        A board is none, or has no memory for weights.
    """
    results = [
        estimate(shape, find_platform(name), config=config, prompt=prompt) for name in boards
    ]
    published = PUBLISHED.get(shape.name, ())
    if as_json:
        figures = [
            Figure(f"estimate.{shape.name}.{e.platform.name}.{phase}_tokens_per_s",
                   e.tokens_per_second(phase), "tokens/s")
            for e in results
            for phase in ("decode", "prefill")
        ]  # fmt: skip
        figures += [
            Figure(f"published.{shape.name}.{p.where}", p.tokens_per_second, "tokens/s")
            for p in published
        ]
        print_figures(figures, as_json=True, title="")
        return
    table = Table(title=f"{shape.name}, prompts of {prompt}", title_justify="left")
    for title in ("where", "configuration", "clock", "memory", "tokens/s", "prompt", "bound by"):
        table.add_column(title, justify="right" if title in ("tokens/s", "prompt") else "left")
    for e in results:
        p = e.platform
        table.add_row(
            p.name + (" (assumed)" if p.assumed else ""),
            e.config.name,
            f"{p.clock_hz / 1e6:g} MHz",
            f"{p.bandwidth / 1e6:,.0f} MB/s, {p.memory_bytes >> 20:,} MiB"
            + ("" if e.fits else ": does not fit"),
            f"{e.tokens_per_second('decode'):.3g}",
            f"{e.tokens_per_second('prefill'):.3g}",
            f"{_bound(e, 'decode')}; prompt: {_bound(e, 'prefill')}",
        )
    for p in published:
        table.add_row(p.where, p.source, "", "", f"{p.tokens_per_second:g}", "", "measured")
    results_console(soft_wrap=True).print(table)


def _bound(e: Estimate, phase: str) -> str:
    """What bounds the layers that take most of a phase's cycles."""
    cycles: dict[str, int] = defaultdict(int)
    for layer in getattr(e, phase):
        cycles[layer.bound] += layer.cycles
    return max(cycles, key=lambda bound: cycles[bound])
