"""Configurations small enough to be proved."""

from __future__ import annotations

from typing import Any

from ...hw.config import Config

__all__ = ["small_config"]


def small_config(**changes: Any) -> Config:
    """The smallest of everything, except for `changes`."""
    least: dict[str, Any] = {
        "weight_bits": 1, "act_bits": 2, "rows": 1, "lanes": 2, "tables": 8, "lookup_group": 2,
        "max_weight_bits": 1, "max_shift": 1, "scale_bits": 0, "psum_bits": 16, "axi_bits": 32,
        "addr_bits": 12, "act_depth": 16, "weight_depth": 16, "scale_depth": 16, "psum_depth": 16,
    }  # fmt: skip
    return Config(**{**least, **changes})
