"""The roofline of an estimate: what each layer reaches, below what lookups and memory allow."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LutraError
from .estimate import Estimate, LayerEstimate

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PlottingMissingError", "draw_roofline", "peak_macs"]

#: What a file may be called, and so what it becomes.
_SUFFIXES = (".png", ".svg", ".pdf")
_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


class PlottingMissingError(LutraError, ImportError):
    """The extra `lutra[plot]` is not installed."""


def peak_macs(estimate: Estimate, layer: LayerEstimate) -> float:
    """Multiply-accumulates a second that the arrays do on weights like these, never waiting."""
    platform = estimate.platform
    # Lookups include padding; those of a layer tell how many whole weights one takes.
    each = layer.macs / max(layer.lookups * platform.accelerators, 1)
    return each * platform.accelerators * platform.clock_hz


def draw_roofline(estimate: Estimate, path: Path) -> None:
    """Draw GMAC/s over MACs a byte, one mark for each kind of layer and phase.

    Parameters
    ----------
    estimate : Estimate
    path : Path
        ``.png``, ``.svg`` or ``.pdf``; written whole or not at all.

    Raises
    ------
    PlottingMissingError
        matplotlib is not there.
    LutraError
        The file is called something else.
    OSError
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise LutraError(f"path must end with one of {', '.join(_SUFFIXES)}, not {path.name!r}")
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise PlottingMissingError(
            "the picture needs matplotlib: pip install 'lutra[plot]'"
        ) from None
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    try:
        _draw(estimate, axes)
        _write(figure, path)
    finally:
        pyplot.close(figure)


def _draw(estimate: Estimate, axes: Any) -> None:
    platform, clock = estimate.platform, estimate.platform.clock_hz
    points = [
        (phase, layer, layer.macs / layer.bytes, layer.macs * clock / layer.cycles / 1e9)
        for phase in ("decode", "prefill")
        for layer in getattr(estimate, phase)
    ]
    axes.set_xscale("log")
    axes.set_yscale("log")
    names = list(dict.fromkeys(layer.linear.name for _, layer, _, _ in points))
    for phase, layer, x, y in points:
        colour = _COLOURS[names.index(layer.linear.name) % len(_COLOURS)]
        marker = "o" if phase == "decode" else "s"
        axes.plot(x, y, marker, color=colour, label=f"{layer.linear.name}, {phase}")
    low = min(x for _, _, x, _ in points) / 2
    peaks = _roofs(estimate)
    bandwidth = _bandwidth(estimate)
    high = max(max(x for _, _, x, _ in points), max(peaks.values()) / bandwidth) * 2
    top = max(peaks.values())
    axes.plot([low, top / bandwidth], [bandwidth * low / 1e9, top / 1e9], "k-", linewidth=1)
    for text, peak in peaks.items():
        axes.plot([peak / bandwidth, high], [peak / 1e9] * 2, "k-", linewidth=1)
        axes.annotate(text, (high, peak / 1e9), ha="right", va="bottom", fontsize=8)
    axes.annotate(f"{bandwidth / 1e6:,.0f} MB/s", (low, bandwidth * low / 1e9), rotation=30,
                  va="bottom", fontsize=8)  # fmt: skip
    axes.set_xlabel("MACs a byte moved")
    axes.set_ylabel("GMAC/s")
    axes.set_title(
        f"{estimate.model.name} on {platform.name} ({estimate.config.name})", fontsize=10
    )
    axes.legend(fontsize=7)
    axes.grid(visible=True, which="both", linewidth=0.2)


def _roofs(estimate: Estimate) -> dict[str, float]:
    """Highest MAC rate of every weight format that occurs."""
    roofs: dict[str, float] = {}
    layers: Iterable[LayerEstimate] = (*estimate.decode, *estimate.prefill)
    for layer in layers:
        name = str(layer.linear.weights)
        roofs[name] = max(roofs.get(name, 0.0), peak_macs(estimate, layer))
    return roofs


def _bandwidth(estimate: Estimate) -> float:
    """Bytes a second: of the memory, or of the ports where these are narrower."""
    ports = estimate.config.axi_bits / 8 * estimate.platform.accelerators
    return min(estimate.platform.bandwidth, ports * estimate.platform.clock_hz)


def _write(figure: Any, path: Path) -> None:
    handle, name = tempfile.mkstemp(suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        figure.savefig(name, dpi=120)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
