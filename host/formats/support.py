"""Whether a configuration runs a combination of formats; if not, why, and what comes nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from ...hw.config import Config, ConfigError
from ..activation_formats import BIPOLAR
from ..errors import UnsupportedFormatError
from ..matrix_layout import MatrixLayout
from .registry import ACTIVATIONS, ELEMENTS, WEIGHTS, ActivationFormat, WeightFormat

__all__ = ["Combination", "UnsupportedCombinationError", "config_for", "reason_against", "require"]


class UnsupportedCombinationError(ConfigError):
    """Formats that a configuration cannot run; the text says why and what comes nearest."""


@dataclass(frozen=True)
class Combination:
    """Names of a weight format, an activation format and a processing element."""

    weights: str
    activations: str
    pe: str

    def __str__(self) -> str:
        return f"{self.weights} weights, {self.activations} activations on {self.pe!r}"


def config_for(combination: Combination) -> Config:
    """The configuration that the generator would build for a combination.

    Raises
    ------
    UnsupportedCombinationError
        A name is unknown.
    ConfigError
        No hardware can be built.
    """
    weights, activations = _lookup(combination)
    bits = max(1, min(8, round(weights.bits)))
    base = Config(
        name=f"{weights.name}-{activations.name}-{combination.pe}",
        pe=combination.pe,
        weight_bits=bits,
        max_shift=min(7, max(3, bits)),
        act_bits=max(2, activations.act_bits),
        act_exponent_bits=5 if activations.block_scaled else 0,
        lookup_group=3 if combination.pe == "lut3" else 4,
        tables=10 if combination.pe == "lut3" else 8,
        axi_bits=256,
        psum_bits=64,
    )
    return replace(base, psum_bits=max(32, -(-base.scaled_bits // 8) * 8))


def reason_against(weights: str, activations: str, config: Config) -> str | None:
    """Why `config` does not run these formats; None if it does.

    Raises
    ------
    UnsupportedCombinationError
        A name is unknown.
    """
    return _obstacle(weights, activations, config)[1]


def require(weights: str, activations: str, config: Config) -> None:
    """Do nothing if `config` runs these formats.

    Raises
    ------
    UnsupportedCombinationError
        With the reason, and the nearest combination that works: first what the reason is about is
        changed, then the rest.
    """
    what, reason = _obstacle(weights, activations, config)
    if reason is None:
        return
    asked = Combination(weights, activations, config.pe)
    for nearest in _nearest(asked, config, what):
        raise UnsupportedCombinationError(f"{asked}: {reason}; nearest supported: {nearest}")
    raise UnsupportedCombinationError(f"{asked}: {reason}; no combination near it is supported")


@cache
def _obstacle(weights: str, activations: str, config: Config) -> tuple[str, str | None]:
    """What is in the way, as a field of `Combination`, and why."""
    wanted, acts = _lookup(Combination(weights, activations, config.pe))
    if config.act_bits < acts.act_bits:
        return "activations", (
            f"{acts.name} activations need act_bits of at least {acts.act_bits}, not "
            f"{config.act_bits}"
        )
    if acts.block_scaled and not config.act_exponent_bits:
        return "activations", (
            f"{acts.name} activations have an exponent for each row and K block, which needs "
            f"act_exponent_bits"
        )
    if wanted.bitwise and (config.digit_bits > 1 or config.pe == "lut3"):
        digit = "a trit" if config.pe == "lut3" else f"{config.digit_bits} bits"
        return "pe", (
            f"{wanted.name} weights save a pass for every bit left out, but {config.pe!r} takes "
            f"one for {digit}"
        )
    try:
        MatrixLayout.of(wanted.make(), config)
    except UnsupportedFormatError as error:
        return "weights", str(error)
    return "", None


def _nearest(asked: Combination, config: Config, what: str) -> Iterator[Combination]:
    """Supported combinations that differ in one name, nearest first, `what` before the others."""
    weights, activations = _lookup(asked)

    def weight_distance(other: WeightFormat) -> tuple[bool, bool, float, str]:
        stem = other.name.rstrip("0123456789") != weights.name.rstrip("0123456789")
        return other.family != weights.family, stem, abs(other.bits - weights.bits), other.name

    def act_distance(other: ActivationFormat) -> tuple[bool, bool, int, str]:
        scaled = other.block_scaled != activations.block_scaled
        odd = (other.name in BIPOLAR) != (activations.name in BIPOLAR)  # which has no zero
        return scaled, odd, abs(other.bits - activations.bits), other.name

    changed = {
        "activations": [f.name for f in sorted(ACTIVATIONS.values(), key=act_distance)],
        "weights": [f.name for f in sorted(WEIGHTS.values(), key=weight_distance)],
        "pe": list(ELEMENTS),
    }
    for field in sorted(changed, key=lambda field: field != what):
        for name in changed[field]:
            other = replace(asked, **{field: name})
            try:
                built = config_for(other) if field == "pe" else config
            except ConfigError:
                continue
            if reason_against(other.weights, other.activations, built) is None:
                yield other


def _lookup(combination: Combination) -> tuple[WeightFormat, ActivationFormat]:
    for kind, name, known in (
        ("weight format", combination.weights, WEIGHTS),
        ("activation format", combination.activations, ACTIVATIONS),
        ("processing element", combination.pe, ELEMENTS),
    ):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            raise UnsupportedCombinationError(
                f"{kind} must be one of those that 'lutra formats' lists, not {name!r}{hint}"
            )
    return WEIGHTS[combination.weights], ACTIVATIONS[combination.activations]
