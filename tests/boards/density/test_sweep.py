from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from lutra.boards.density.records import Records
from lutra.boards.density.sweep import SweepError, connect, sweep

from .work import failing, traced_square

_ROOT = Path(__file__).parents[3]


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,  # workers import the task from the tests
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _scheduler(folder: Path) -> Iterator[str]:
    file = folder / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with _process(
        "distributed.cli.dask_scheduler", *arguments, "--scheduler-file", str(file)
    ) as process:
        deadline = time.monotonic() + 60
        while not (file.is_file() and file.read_text().strip()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


def _worker(address: str, name: str):
    # Without a nanny: what is killed stays dead.
    return _process(
        "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--name", name,
        "--no-dashboard", "--host", "127.0.0.1",
    )  # fmt: skip


def test_a_worker_is_killed_in_the_middle(tmp_path: Path):
    traces = tmp_path / "traces"
    traces.mkdir()
    records = Records(tmp_path / "study.jsonl")
    records.add("key3", {"number": 3, "square": 9})  # of an earlier sweep
    tasks = {f"key{i}": (str(traces), i) for i in range(24)}
    with (
        _scheduler(tmp_path) as address,
        _worker(address, "one") as one,
        _worker(address, "two"),
        connect(address, None) as client,
    ):
        client.wait_for_workers(2, timeout=60)

        def progress(done: int, total: int, note: str) -> None:
            assert total == 23
            if done == 6:
                one.kill()

        added = sweep(client, tasks, traced_square, records, progress=progress)
        assert one.poll() is not None or one.wait() is not None
        assert added == 23
        found = list(records)
        assert sorted(r["key"] for r in found) == sorted(tasks)  # none lost, none twice
        assert all(r["square"] == r["number"] ** 2 for r in found)
        ran = len(list(traces.iterdir()))
        assert not list(traces.glob("3.*"))  # what is recorded is not computed

        assert sweep(client, tasks, traced_square, records) == 0
        assert len(list(traces.iterdir())) == ran
        assert len(list(records)) == 24


def test_local_cluster_and_failures(tmp_path: Path):
    records = Records(tmp_path / "study.jsonl")
    tasks = {f"key{i}": (i,) for i in range(4)}
    with connect(None, 1) as client:
        with pytest.raises(SweepError, match=r"2 of 4 points failed, the first: 1 is odd|3 is odd"):
            sweep(client, tasks, failing, records)
        assert sorted(r["number"] for r in records) == [0, 2]  # what worked is kept


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_no_scheduler(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lutra.boards.density.sweep._PATIENCE", "0.5s")
    with pytest.raises(SweepError, match="--scheduler must be the address of a scheduler"):
        connect(address, None)
