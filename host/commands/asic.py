"""``lutra synth --liberty``: what an array takes in standard cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...boards.asic.energy import Energy, switching_energy
from ...boards.asic.estimate import AsicEstimate, asic_estimate
from ...boards.asic.netlist import Netlist
from ...boards.asic.stimulus import array_stimulus
from ...gen.config_names import load_config
from ...hw.config import Config
from ..gate_simulation import count_toggles
from .consoles import notes_console
from .figures import Figure, print_figures

__all__ = ["report_asic"]


def report_asic(
    configs: Sequence[str],
    liberty: Path,
    *,
    lef: Path | None = None,
    period_ns: float = 20.0,
    energy: bool = True,
    as_json: bool = False,
) -> bool:
    """Estimate every configuration and print it; False if one misses its clock.

    Errors are those of `boards.asic.estimate.asic_estimate`.
    """
    notes = notes_console(soft_wrap=True)
    estimates: list[AsicEstimate] = []
    for name in configs:
        config = load_config(name)
        with notes.status(f"{config.name}: standard cells"):
            measured = partial(_energy, config) if energy else None
            one = asic_estimate(config, liberty, lef=lef, period_ns=period_ns, energy=measured)
        estimates.append(one)
        if as_json:
            continue
        title = f"{config.name} in {one.library}, areas of its {one.areas} file"
        print_figures([Figure(*row) for row in one.figures()], as_json=False, title=title)
        steps = " > ".join(step for step in one.timing.path if not step.startswith("net "))
        notes.print(f"slowest path: {steps}")
        if not one.timing_met:
            notes.print(
                f"TimingMissed: {config.name} takes {one.timing.delay_ns:.2f} ns of "
                f"{period_ns:g} ns; try a larger tree_pipeline or --period"
            )
    if as_json:
        everything = [one.to_json() for one in estimates]
        rows = [row for one in everything for row in one["results"]]
        print(json.dumps({"results": rows, "estimates": everything}, indent=2))
    return all(one.timing_met for one in estimates)


def _energy(config: Config, netlist: Netlist) -> Energy:
    stimulus = array_stimulus(config, netlist)
    toggles, _ = count_toggles(netlist, stimulus)
    return switching_energy(netlist, toggles, len(stimulus.bits) - stimulus.warm_up)
