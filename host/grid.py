"""The grid: results of all formats on all elements, in a file, resumable."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..hw.config import Config
from .accelerator import Accelerator
from .errors import LutraError
from .grid_cases import MismatchError
from .grid_check import check_combination
from .grid_variants import GridCombination

__all__ = ["Grid", "GridResult"]

_MEMORY = 1 << 22
_SAVE_EVERY = 2.0  # seconds


@dataclass(frozen=True, kw_only=True)
class GridResult:
    """What became of one combination; `error` is empty if it passed."""

    examples: int
    seconds: float
    error: str = ""


class Grid:
    """Results of combinations, kept in a file that survives an interruption.

    The file is replaced as a whole, by renaming, so that it is never half written. It holds good
    only for the same sources, device and number of examples: others begin anew.

    Parameters
    ----------
    results : Path
        JSON file.
    device : {"sim", "golden"}
        What is compared with golden; ``"golden"`` compares golden with plain integer sums only.
    examples : int
        Products of each combination.
    """

    def __init__(self, results: Path, *, device: str = "sim", examples: int = 5) -> None:
        if device not in ("sim", "golden"):
            raise LutraError(f"device must be 'sim' or 'golden', not {device!r}")
        if examples < 1:
            raise LutraError(f"examples must be at least 1, not {examples}")
        self._path, self._device, self._examples = results, device, examples
        self._key = f"{_sources()}-{device}-{examples}"
        self.results: dict[str, GridResult] = self._read()

    def run(
        self,
        chosen: Iterable[GridCombination],
        *,
        done: Callable[[GridCombination, GridResult], None] = lambda _c, _r: None,
    ) -> None:
        """Run those of `chosen` that have not passed yet, telling `done` about all of them."""
        saved = time.monotonic()
        with _devices(self._device) as devices_of:
            try:
                for combination in chosen:
                    result = self.results.get(str(combination))
                    if result is None or result.error:
                        result = self._check(combination, devices_of)
                        self.results[str(combination)] = result
                        if time.monotonic() - saved > _SAVE_EVERY:
                            self.save()
                            saved = time.monotonic()
                    done(combination, result)
            finally:
                self.save()

    def save(self) -> None:
        """Write the results."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = {name: asdict(result) for name, result in self.results.items()}
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"key": self._key, "results": rows}, indent=1) + "\n")
        temporary.replace(self._path)

    def _read(self) -> dict[str, GridResult]:
        try:
            stored = json.loads(self._path.read_text())
            rows = stored["results"] if stored["key"] == self._key else {}
            return {name: GridResult(**row) for name, row in rows.items()}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}

    def _check(self, combination: GridCombination, devices_of: _Opener) -> GridResult:
        begin, error = time.perf_counter(), ""
        golden, device = devices_of(combination.config)
        try:
            check_combination(combination, golden, device, examples=self._examples)
        except (MismatchError, LutraError) as wrong:
            notes = " ".join(getattr(wrong, "__notes__", ()))
            error = f"{type(wrong).__name__}: {wrong} {notes}".strip()
        seconds = round(time.perf_counter() - begin, 4)
        return GridResult(examples=self._examples, seconds=seconds, error=error)


_Opener = Callable[[Config], tuple[Accelerator, Accelerator | None]]


@contextmanager
def _devices(kind: str) -> Iterator[_Opener]:
    """Golden and the device of a configuration, the last ones kept open."""
    opened: dict[Config, tuple[Accelerator, Accelerator | None]] = {}

    def devices_of(config: Config) -> tuple[Accelerator, Accelerator | None]:
        if config not in opened:
            close()
            golden = Accelerator.open("golden", config=config, memory_bytes=_MEMORY)
            device = None
            if kind != "golden":
                device = Accelerator.open(kind, config=config, memory_bytes=_MEMORY)
            opened[config] = golden, device
        return opened[config]

    def close() -> None:
        for pair in opened.values():
            for accelerator in pair:
                if accelerator is not None:
                    accelerator.close()
        opened.clear()

    try:
        yield devices_of
    finally:
        close()


def _sources() -> str:
    """Digest of what decides the results: the sources of hardware, simulation and host."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for folder in ("hw", "gen", "sim", "host"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
