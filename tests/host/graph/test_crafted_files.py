"""Compiled models whose checksums are right and whose manifests or arrays are not."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from lutra.host import Accelerator
from lutra.host.errors import ConfigMismatchError, LutraError
from lutra.host.graph.compile import compile_onnx
from lutra.host.graph.compiled_file import load_compiled, save_compiled
from lutra.host.graph.errors import CompiledModelError
from lutra.host.graph.runner import ModelRunner
from lutra.sim.errors import SimulationError

from .graphs import attention_graph

X = default_rng(0).standard_normal((1, 3, 16)).astype(np.float32)
VALUES: list[Any] = [
    0, 1, -1, 3, 2**31, -(2**40), 0.5, None, True, "", "x", "q", "arrays/0.npy", "host/0.onnx",
    "float32", "O", [], [1], {},
]  # fmt: skip
ARRAYS = (np.zeros(0), np.zeros((3, 3)), np.full(5, np.nan), np.arange(40), np.array("abc"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("crafted")
    graph = attention_graph(folder / "a.onnx", width=16, outputs=5)
    save_compiled(compile_onnx(graph, "tiny", bits=4, group_size=8), folder / "a.lutra")
    with zipfile.ZipFile(folder / "a.lutra") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


def crafted(files: dict[str, bytes], rng: random.Random, path: Path) -> Path:
    """A file in which one entry of the manifest, or one array, is something else."""
    files = dict(files)
    manifest = json.loads(files["manifest.json"])
    if rng.random() < 0.2:
        name = rng.choice([name for name in files if name.endswith(".npy")])
        stream = io.BytesIO()
        np.save(stream, rng.choice(ARRAYS))
        files[name] = stream.getvalue()
    else:
        *outer, last = rng.choice([p for p in places(manifest) if p[0] != "notes"])
        place = manifest
        for key in outer:
            place = place[key]
        if rng.random() < 0.15:
            del place[last]
        elif type(place[last]) is int and rng.random() < 0.5:
            place[last] += rng.choice([-1, 1, 16, 64, -64])
        else:
            place[last] = copy.deepcopy(rng.choice(VALUES))
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, blob in files.items():
            archive.writestr(name, blob)
    return path


def test_nothing_but_named_errors(files: dict[str, bytes], tmp_path: Path) -> None:
    rng, ends = random.Random(4), Counter[str]()
    for _ in range(200):
        path = crafted(files, rng, tmp_path / "c.lutra")
        try:
            compiled = load_compiled(path)
            with (
                Accelerator.open("golden", config="tiny") as device,
                ModelRunner(compiled, device) as runner,
            ):
                runner.run({"x": X})
            ends["ran"] += 1
        except (LutraError, SimulationError) as error:
            ends[type(error).__name__] += 1
    assert ends["CompiledModelError"] > 120
    assert ends["ran"] < 50


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    graph = attention_graph(tmp_path / "a.onnx", width=16, outputs=5)
    compiled = compile_onnx(graph, "tiny")
    with (
        Accelerator.open("golden", config="w2a8") as device,
        pytest.raises(ConfigMismatchError, match="'tiny', not for 'w2a8'"),
    ):
        ModelRunner(compiled, device)


def test_a_file_of_an_older_format_says_what_to_do(files: dict[str, bytes], tmp_path: Path) -> None:
    manifest = json.loads(files["manifest.json"]) | {"version": 1}
    with zipfile.ZipFile(tmp_path / "o.lutra", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
    with pytest.raises(CompiledModelError, match=r"version 1 .* compile the model again"):
        load_compiled(tmp_path / "o.lutra")
