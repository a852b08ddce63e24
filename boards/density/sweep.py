"""Points measured by workers of dask.distributed, results written by one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from .records import Records
from .targets import StudyError

__all__ = ["SweepError", "connect", "sweep"]


#: How long a scheduler may take to answer.
_PATIENCE = "10s"


class SweepError(RuntimeError):
    """The cluster cannot be used, or tasks failed; what was measured is in the file."""


def connect(scheduler: str | None, workers: int | None) -> AbstractContextManager[Any]:
    """A client of an existing scheduler, or of a cluster of its own within this machine's cores.

    Parameters
    ----------
    scheduler : str, optional
        Such as ``"tcp://host:8786"``; its workers need this package installed.
    workers : int, optional
        Processes of the own cluster, one task each; by default the cores this process may use.

    Raises
    ------
    SweepError
        dask.distributed is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SweepError("dask.distributed is missing: install lutra[density]") from None
    if scheduler is not None:
        try:
            return Client(scheduler, timeout=_PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise SweepError(
                f"--scheduler must be the address of a scheduler, not {scheduler!r}: {error}"
            ) from None
    count = workers or len(os.sched_getaffinity(0))
    # Any free port: the default one may be another sweep's.
    return Client(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
        set_as_default=False,
    )  # fmt: skip


def sweep(
    client: Any,
    tasks: Mapping[str, tuple[Any, ...]],
    function: Callable[..., dict[str, Any]],
    records: Records,
    *,
    again: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Run ``function(*arguments)`` for every key that `records` lack, and add what comes back.

    A task whose worker dies is run by another one; results are added as they arrive, so that a
    sweep that is stopped goes on where it was.

    Parameters
    ----------
    client : distributed.Client
    tasks : mapping of str to tuple
        Arguments by key.
    function : callable
        Importable by the workers; returns a record without its key.
    records : Records
    again : bool
        Measure what is recorded, too.
    progress : callable, optional
        Told (done, all, key or error).

    Returns
    -------
    int
        Records added.

    Raises
    ------
    SweepError
        Tasks failed; all others were recorded first.
    """
    from distributed import as_completed

    known = set() if again else records.keys()
    wanted = {key: arguments for key, arguments in tasks.items() if key not in known}
    if not wanted:
        return 0
    submitted = {
        client.submit(function, *arguments, key=f"lutra-{key}"): key
        for key, arguments in wanted.items()
    }
    added, failures = 0, []
    for done, future in enumerate(as_completed(submitted, loop=client.loop), 1):
        key = submitted[future]
        if future.status == "finished":
            added += records.add(key, future.result(), again=again)
            note = key
        else:
            error = future.exception()
            failures.append((key, error))
            note = f"{key}: {error}"
        if progress is not None:
            progress(done, len(wanted), note)
        future.release()
    if failures:
        key, error = failures[0]
        if isinstance(error, StudyError):
            raise error
        raise SweepError(f"{len(failures)} of {len(wanted)} points failed, the first: {error}")
    return added
