"""The user's cache: folders named by the hash of what went in, filled once, never half."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs
from filelock import FileLock

__all__ = ["cache_folder", "content_key", "fill_once"]


def cache_folder() -> Path:
    """Where results that took long to compute lie: LUTRA_CACHE, or the user's cache folder."""
    return Path(os.environ.get("LUTRA_CACHE") or platformdirs.user_cache_dir("lutra")).absolute()


def content_key(parts: Iterable[str]) -> str:
    """Name of what follows from `parts`, in this order: a hash of 32 digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def fill_once(folder: Path, target: str, fill: Callable[[Path], None]) -> Path:
    """``folder / target``, where need be after `fill` has written it.

    Any number of processes may ask for the same folder at the same time: one fills it, the others
    wait. A killed one leaves nothing that would be taken for a result.

    Parameters
    ----------
    folder : Path
        Named by the hash of everything that its contents depend on.
    target : str
        File whose presence shows that the folder is full.
    fill : callable
        Given an empty folder that takes the place of `folder` afterwards. What it raises leaves
        everything as it was.
    """
    path = folder / target
    if path.is_file():
        return path
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if path.is_file():  # another process was faster
            return path
        for left in folder.parent.glob(f"{folder.name}.*"):  # by one that was killed
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
        try:
            fill(temporary)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return path
