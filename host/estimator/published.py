"""Tokens a second that others have published, measured, for models of the catalogue."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PUBLISHED", "Published"]


class Published(NamedTuple):
    """Whole token generation on a processor: where, by what, and how fast."""

    where: str
    tokens_per_second: float
    source: str


_TMAC = "Wei et al. 2024, arXiv:2407.00088"

#: By the model's name in the catalogue.
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "bitnet-3b": (
        Published("Raspberry Pi 5, T-MAC", 11, _TMAC),
        Published("Apple M2 Ultra, one core, T-MAC", 30, _TMAC),
        Published("Apple M2 Ultra, eight cores, T-MAC", 71, _TMAC),
    )
}
