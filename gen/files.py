"""Writing generated files: all or nothing, and only where the bytes change."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_if_changed"]


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` under a temporary name and rename it; leave the file alone if it has it.

    Returns
    -------
    bool
        True where the file was written.
    """
    payload = text.encode()
    if path.is_file() and path.read_bytes() == payload:
        return False
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
        temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True
