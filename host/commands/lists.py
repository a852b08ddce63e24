"""Options that are lists separated by commas."""

from __future__ import annotations

from collections.abc import Iterable

from ...boards.density.targets import StudyError

__all__ = ["joined", "names_of", "numbers_of", "parts_of"]


def joined(values: Iterable[object]) -> str:
    """Values as such an option has them."""
    return ",".join(map(str, values))


def parts_of(text: str) -> list[str]:
    """What stands between the commas, without blanks and empty parts."""
    return [part.strip() for part in text.split(",") if part.strip()]


def names_of(text: str, option: str, allowed: Iterable[str]) -> list[str]:
    """Names of a list, each of those allowed.

    Raises
    ------
    StudyError
        A name is none of them, or there is no name.
    """
    known = list(allowed)
    names = parts_of(text)
    for name in names or [text]:
        if name not in known:
            raise StudyError(f"{option} must be of {', '.join(known)}, not {name!r}")
    return names


def numbers_of(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers of a list, 1 or more each.

    Raises
    ------
    StudyError
        Something is no such number, or there is none.
    """
    parts = parts_of(text)
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise StudyError(f"{option} must be numbers from 1 separated by commas, not {text!r}")
    return tuple(map(int, parts))
