"""Writing generated files: all or nothing, and only where the bytes change."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "write_if_changed"]


def write_if_changed(path: Path, text: str | bytes) -> bool:
    """Write `text` under a temporary name and rename it; leave the file alone if it has it.

    Returns
    -------
    bool
        True where the file was written.
    """
    payload = text.encode() if isinstance(text, str) else text
    if path.is_file() and path.read_bytes() == payload:
        return False
    with replacing(path) as temporary:
        temporary.write_bytes(payload)
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place at the end, and vanishes at an error.

    Yields
    ------
    Path
        To be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
