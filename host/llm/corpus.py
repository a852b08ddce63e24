"""The text the decoder is trained on and the text it is measured on.

Training text is the source of the running Python's standard library.  `HELD_OUT` names the
modules that are kept out of it, together with their tests and with any file that repeats a
large part of one of them, so that the measured compression is of unseen text.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import LutraError

__all__ = ["HELD_OUT", "CorpusError", "SourceFile", "held_out_files", "training_files"]

HELD_OUT: tuple[str, ...] = (
    "bisect.py",
    "calendar.py",
    "colorsys.py",
    "configparser.py",
    "csv.py",
    "fractions.py",
    "ftplib.py",
    "heapq.py",
    "html/parser.py",
    "http/cookies.py",
    "logging/handlers.py",
    "queue.py",
    "sched.py",
    "shlex.py",
    "tempfile.py",
    "textwrap.py",
    "urllib/robotparser.py",
)
"""Modules never trained on: small and large, across the library, in Python 3.11 to 3.14."""

_HELD_OUT_TESTS = frozenset({
    "test_bisect", "test_calendar", "test_colorsys", "test_configparser", "test_csv",
    "test_fractions", "test_ftplib", "test_heapq", "test_html_parser", "test_htmlparser",
    "test_http_cookies", "test_logging", "test_queue", "test_robotparser", "test_sched",
    "test_shlex", "test_tempfile", "test_textwrap",
})  # fmt: skip
# Not source code written by hand: installed packages, generated tables, documentation dumps.
_SKIPPED_FOLDERS = frozenset({
    "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data", "cjkencodings",
    "lib-dynload", "_bundled",
})  # fmt: skip
_LARGEST_FILE = 300_000  # characters; above it the standard library holds tables
_DIGIT_SHARE = 0.2  # files with more digits than this are tables too
_LINE_LENGTH = 24  # shorter lines ("return self") say nothing about copying
_COPY_SHARE = 0.15  # share of a held-out file's long lines that makes a copy


class CorpusError(LutraError, RuntimeError):
    """The standard library's source is not where it should be, or lacks a held-out module."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One source file: its path below the library, its text, and which part it is in."""

    path: str
    text: str

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to a test suite."""
        return "test" in Path(self.path).parts[:-1] or "tests" in Path(self.path).parts[:-1]

    @property
    def is_validation(self) -> bool:
        """Whether the file is in the small part used to watch training (about 1 in 64)."""
        return hashlib.sha256(self.path.encode()).digest()[0] < 4


def held_out_files(*, library: Path | None = None) -> list[SourceFile]:
    """Return the held-out modules in the order of `HELD_OUT`.

    Raises
    ------
    CorpusError
        If one of them cannot be read.
    """
    root = _root(library)
    files = []
    for name in HELD_OUT:
        text = _read(root / name)
        if text is None:
            raise CorpusError(f"held-out module {name!r} is not readable below {root}")
        files.append(SourceFile(name, text))
    return files


def training_files(*, library: Path | None = None) -> list[SourceFile]:
    """Return the training files, sorted by path, held-out modules and their copies left out.

    Raises
    ------
    CorpusError
        If the library holds no source.
    """
    root = _root(library)
    signatures = {file.path: _long_lines(file.text) for file in held_out_files(library=root)}
    files, seen = [], set()
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        text = _read(path)
        if text is None or not _is_source(text) or name in signatures:
            continue
        if any(Path(part).stem in _HELD_OUT_TESTS for part in Path(name).parts):
            continue
        lines = _long_lines(text)
        if any(len(lines & kept) > _COPY_SHARE * len(kept) for kept in signatures.values()):
            continue
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        if digest not in seen:
            seen.add(digest)
            files.append(SourceFile(name, text))
    if not files:
        raise CorpusError(f"no Python source below {root}")
    return files


def _root(library: Path | None) -> Path:
    root = Path(sysconfig.get_path("stdlib")) if library is None else Path(library)
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; expected the standard library's source")
    return root


def _sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.py")):
        if not _SKIPPED_FOLDERS.intersection(path.relative_to(root).parts[:-1]):
            yield path


def _read(path: Path) -> str | None:
    """Return the file's text with its own line ends, or None where it is no UTF-8 text."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _is_source(text: str) -> bool:
    if not 0 < len(text) <= _LARGEST_FILE:
        return False
    return sum(map(str.isdigit, text)) <= _DIGIT_SHARE * len(text)


def _long_lines(text: str) -> frozenset[str]:
    stripped = (line.strip() for line in text.splitlines())
    return frozenset(line for line in stripped if len(line) >= _LINE_LENGTH)
