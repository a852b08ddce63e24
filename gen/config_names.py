"""Configurations by name, by file, and their canonical text and hash."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path

from ..hw.config import PROCESSING_ELEMENTS, Config, ConfigError

__all__ = [
    "UnknownConfigError",
    "canonical_toml",
    "config_hash",
    "load_config",
    "preset_names",
]

_PARSED = re.compile(
    r"w(?P<weight>1p58|\d+)a(?P<act>\d+)(_(?P<pe>" + "|".join(PROCESSING_ELEMENTS) + "))?"
)

_FIELDS = tuple(field.name for field in fields(Config))

#: Fields that came later, and what was built before: the hash leaves them out where it is built
#: again, so that what was recorded or synthesised under a hash stays what it was.
_LATER = {
    field.name: field.default
    for field in fields(Config)
    if field.name
    in ("fetch_depth", "fetch_storage", "queue_depth", "load_depth", "store_depth",
        "requantise_lanes", "counters", "error_addresses", "compact", "feed_rows")
}  # fmt: skip


class UnknownConfigError(ConfigError):
    """No preset, no readable name and no file; the text lists near matches."""


def preset_names() -> list[str]:
    """Names of the presets shipped in ``gen/configs``, sorted."""
    folder = resources.files("lutra.gen") / "configs"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_config(source: str | Path | Config) -> Config:
    """Configuration of the given name or file.

    Parameters
    ----------
    source : str, Path or Config
        A preset (``"w2a8"``), a name that is read as widths (``"w3a8"``, ``"w5a12"``,
        ``"w3a3_bitserial"``: any processing element may follow; ``"w1p58a8"`` is ternary, natively
        unless an element follows), the path of a TOML file whose keys are the fields of `Config`,
        or a `Config`, returned as it is.

    Raises
    ------
    UnknownConfigError
        Nothing of that name exists.
    ConfigError
        The file has an unknown key or is no TOML, or the fields cannot be built.
    """
    if isinstance(source, Config):
        return source
    if isinstance(source, Path) or source.endswith(".toml") or "/" in source:
        path = Path(source)
        if not path.is_file():
            raise UnknownConfigError(f"configuration file {str(source)!r} does not exist")
        return _from_toml(path.read_text(encoding="utf-8"), path.stem, str(source))
    if source in preset_names():
        text = (resources.files("lutra.gen") / "configs" / f"{source}.toml").read_text("utf-8")
        return _from_toml(text, source, f"{source}.toml")
    parsed = _PARSED.fullmatch(source)
    if parsed is None:
        raise UnknownConfigError(
            f"configuration must be a preset, a name such as 'w3a8', or the path of a TOML file, "
            f"not {source!r}{_near(source, preset_names())}; presets: {', '.join(preset_names())}"
        )
    return _from_widths(source, parsed)


def canonical_toml(config: Config) -> str:
    """Every field but the name, one ``key = value`` a line, sorted: what the hash covers.

    Fields that were added since the first hash are left out at their default.
    """
    lines = []
    for name in sorted(set(_FIELDS) - {"name"}):
        value = getattr(config, name)
        if name in _LATER and value == _LATER[name]:
            continue
        lines.append(f'{name} = "{value}"\n' if isinstance(value, str) else f"{name} = {value}\n")
    return "".join(lines)


def config_hash(config: Config) -> str:
    """SHA-256 of `canonical_toml` in hexadecimal; the hardware carries its first 64 bits."""
    return hashlib.sha256(canonical_toml(config).encode()).hexdigest()


def _from_toml(text: str, name: str, where: str) -> Config:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} must be TOML: {error}") from error
    for key in values:
        if key not in _FIELDS:
            raise ConfigError(
                f"{where} must have only fields of Config, not {key!r}{_near(key, _FIELDS)}"
            )
    try:
        return Config(**{"name": name, **values})
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def _from_widths(name: str, parsed: re.Match[str]) -> Config:
    ternary = parsed["weight"] == "1p58"
    weight_bits = 2 if ternary else int(parsed["weight"])
    act_bits = int(parsed["act"])
    pe = parsed["pe"] or ("lut3" if ternary else "lut")
    if pe == "bitserial":
        # Such hardware runs every narrower activation, so there is no reason to build less than a
        # byte; one bit is fine here although no table could be made of it.
        if not 1 <= act_bits <= 16:
            raise ConfigError(f"act_bits must be from 1 to 16, not {act_bits}")
        act_bits = max(act_bits, 8)
    # Widths are checked one after the other, so that the message names the one that is wrong.
    base = Config(name=name, weight_bits=weight_bits, psum_bits=64)
    shape: dict[str, int] = {}
    shift = base.max_shift
    if pe == "lut3":
        shape = {"lanes": 17, "tables": 6, "lookup_group": 3}
    elif pe in ("mac", "shiftadd"):
        # As many inputs as a beat holds digits of, so that a weight word comes every cycle.
        shape = {"tables": 32 // weight_bits, "lookup_group": 1, "act_depth": 1024}
        shift = min(7, max(shift, weight_bits))
    probe = replace(base, pe=pe, act_bits=act_bits, max_shift=shift, **shape)
    # Wide activations need wide partial sums: whole bytes above what one contribution takes.
    return replace(probe, psum_bits=max(32, -(-probe.scaled_bits // 8) * 8))


def _near(word: str, known: list[str] | tuple[str, ...]) -> str:
    matches = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(matches)}?)" if matches else ""
