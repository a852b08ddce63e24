"""A task for workers of the sweep's test: leaves a trace of every time it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any


def traced_square(folder: str, number: int) -> dict[str, Any]:
    """``number ** 2``, after a moment; a file in `folder` for every run."""
    (Path(folder) / f"{number}.{time.monotonic_ns()}").touch()
    time.sleep(0.15)
    return {"number": number, "square": number**2}


def failing(number: int) -> dict[str, Any]:
    """Fails for odd numbers."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return {"number": number}
