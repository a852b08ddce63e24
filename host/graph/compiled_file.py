"""Compiled models as files: a ZIP archive of a manifest, arrays, host models and the image."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...gen.config_names import config_hash
from ...gen.files import replacing
from ...hw.config import Config
from ..chained_products import Requantisation
from ..device_image import DeviceImage, ResidentMatrix
from ..loaded_matrix import ProgramKey, StoredProgram
from ..lowering import Lowering
from ..matrix_layout import MatrixLayout
from .check_compiled import check_compiled
from .compiled import ChainRun, CompiledModel, DeviceRun, HostRun, MatrixPart, Output, TensorType
from .errors import CompiledModelError

__all__ = ["load_compiled", "save_compiled"]

_FORMAT, _VERSION = "lutra-compiled-model", 2
_MANIFEST, _IMAGE = "manifest.json", "image.npy"
_PART_ARRAYS = ("columns", "rows", "sums", "scales")
#: What a manifest may take: far more than any model's, far less than memory.
_MOST_MANIFEST = 1 << 28


def save_compiled(model: CompiledModel, path: str | Path) -> None:
    """Write a compiled model; the file appears when it is whole.

    Raises
    ------
    OSError
    """
    arrays: dict[str, np.ndarray] = {}
    blobs: dict[str, bytes] = {}

    def keep(array: np.ndarray | None) -> str | None:
        if array is None:
            return None
        name = f"arrays/{len(arrays)}.npy"
        arrays[name] = array
        return name

    steps: list[dict[str, Any]] = []
    for step in model.steps:
        if isinstance(step, HostRun):
            name = f"host/{len(blobs)}.onnx"
            blobs[name] = step.model
            steps.append({"model": name, "inputs": step.inputs, "outputs": step.outputs})
        elif isinstance(step, ChainRun):
            runs = [_run_entry(run, keep) for run in step.runs]
            steps.append({"runs": runs, "links": step.links})
        else:
            steps.append(_run_entry(step, keep))
    config = model.config
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": model.name,
        "config": asdict(config),
        "config_hash": config_hash(config),
        "inputs": [asdict(t) for t in model.inputs],
        "outputs": [asdict(t) for t in model.outputs],
        "steps": steps,
        "constants": {name: keep(value) for name, value in model.constants.items()},
        "pieces": model.image.pieces,
        "areas": model.image.areas,
        "matrices": [
            {
                "layout": _layout_entry(m.layout),
                "digits": keep(m.layout.lowering.digits),
                "row_scales": keep(m.row_scales),
                "used": keep(m.used),
                "weights": m.weights,
                "groups": m.groups,
                "programs": [[key, program] for key, program in m.programs.items()],
            }
            for m in model.image.matrices
        ],
        "notes": model.notes,
    }
    arrays[_IMAGE] = model.image.data
    with replacing(Path(path)) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        _put(archive, _MANIFEST, json.dumps(manifest, indent=1).encode())
        for name, blob in blobs.items():
            _put(archive, name, blob)
        for name, array in arrays.items():
            stream = BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            _put(archive, name, stream.getvalue())


def load_compiled(path: str | Path) -> CompiledModel:
    """Read a compiled model; every part is checked against its checksum.

    Raises
    ------
    CompiledModelError
        The file is none, is damaged, or is of another version.
    OSError
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_MANIFEST).file_size > _MOST_MANIFEST:
                raise CompiledModelError(f"{path}: the manifest is too large to be one")
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest.get("format") != _FORMAT:
                raise CompiledModelError(f"{path} is no compiled model")
            if manifest.get("version") != _VERSION:
                raise CompiledModelError(
                    f"{path} has version {manifest.get('version')!r} of the format, this program "
                    f"reads {_VERSION}: compile the model again"
                )
            model = _model(manifest, archive)
            check_compiled(model)
            return model
    except (CompiledModelError, OSError):
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, MemoryError) as error:
        raise CompiledModelError(f"{path} is no compiled model, or damaged: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise CompiledModelError(f"{path} is damaged ({what}): compile the model again") from error


def _put(archive: zipfile.ZipFile, name: str, blob: bytes) -> None:
    # A date of its own would make equal models differ.
    archive.writestr(zipfile.ZipInfo(name), blob, zipfile.ZIP_DEFLATED, compresslevel=1)


def _run_entry(run: DeviceRun, keep: Callable[[np.ndarray | None], str | None]) -> dict[str, Any]:
    outputs = [asdict(output) for output in run.outputs]
    parts = [
        _entry(part) | {name: keep(getattr(part, name)) for name in _PART_ARRAYS}
        for part in run.parts
    ]
    return _entry(run) | {"outputs": outputs, "parts": parts}


def _entry(item: DeviceRun | MatrixPart) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)}


def _layout_entry(layout: MatrixLayout) -> dict[str, Any]:
    entry = {f.name: getattr(layout, f.name) for f in fields(layout)}
    lowering = {f.name: getattr(layout.lowering, f.name) for f in fields(Lowering)}
    del entry["config"], lowering["digits"]
    return entry | {"lowering": lowering, "result_dtype": np.dtype(layout.result_dtype).name}


def _model(manifest: dict[str, Any], archive: zipfile.ZipFile) -> CompiledModel:
    def array(name: str | None) -> np.ndarray | None:
        if name is None:
            return None
        with archive.open(name) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    config = Config(**manifest["config"])
    if config_hash(config) != manifest["config_hash"]:
        raise CompiledModelError(
            "the configuration has another hash than when the model was compiled: compile it again"
        )
    data = array(_IMAGE)
    if data is None or data.dtype != np.uint8 or data.ndim != 1:
        raise CompiledModelError("the image must be bytes")
    image = DeviceImage(
        data=data,
        pieces=tuple((int(a), int(s)) for a, s in manifest["pieces"]),
        areas={name: (int(a), int(s)) for name, (a, s) in manifest["areas"].items()},
        matrices=tuple(_matrix(entry, config, array) for entry in manifest["matrices"]),
    )
    if image.pieces and sum(image.pieces[-1]) != len(data):
        raise CompiledModelError(
            f"the image must have {sum(image.pieces[-1])} bytes, not {len(data)}"
        )
    if not image.matrices:
        raise CompiledModelError("a compiled model has at least one matrix on the device")
    steps: list[HostRun | DeviceRun | ChainRun] = []
    for step in manifest["steps"]:
        if "model" in step:
            blob = archive.read(step["model"])
            inputs, outputs = tuple(step["inputs"]), tuple(step["outputs"])
            steps.append(HostRun(model=blob, inputs=inputs, outputs=outputs))
        elif "runs" in step:
            runs = tuple(_device_run(run, len(image.matrices), array) for run in step["runs"])
            links = tuple(Requantisation(*link) for link in step["links"])
            steps.append(ChainRun(runs=runs, links=links))
        else:
            steps.append(_device_run(step, len(image.matrices), array))
    return CompiledModel(
        name=manifest["name"],
        inputs=tuple(_tensor(t) for t in manifest["inputs"]),
        outputs=tuple(_tensor(t) for t in manifest["outputs"]),
        steps=tuple(steps),
        constants={name: _present(array(a)) for name, a in manifest["constants"].items()},
        image=image,
        notes=manifest["notes"],
    )


def _device_run(entry: dict[str, Any], matrices: int, array: Any) -> DeviceRun:
    parts = []
    for part in entry["parts"]:
        if not 0 <= part["matrix"] < matrices:
            raise CompiledModelError(f"there is no matrix {part['matrix']}")
        parts.append(MatrixPart(**part | {name: array(part[name]) for name in _PART_ARRAYS}))
    outputs = tuple(Output(**output) for output in entry["outputs"])
    return DeviceRun(**entry | {"outputs": outputs, "parts": tuple(parts)})


def _matrix(entry: dict[str, Any], config: Config, array: Any) -> ResidentMatrix:
    fields_ = dict(entry["layout"])
    lowering = dict(fields_.pop("lowering"))
    for name in ("exponents", "negatives"):
        lowering[name] = tuple(lowering[name])
    layout = MatrixLayout(
        **fields_
        | {
            "config": config,
            "lowering": Lowering(digits=_present(array(entry["digits"])), **lowering),
            "segments": tuple(fields_["segments"]),
            "result_dtype": np.dtype(fields_["result_dtype"]).type,
        }
    )
    return ResidentMatrix(
        layout=layout,
        row_scales=array(entry["row_scales"]),
        used=array(entry["used"]),
        weights=entry["weights"],
        groups=entry["groups"],
        programs={_key(*key): StoredProgram(*program) for key, program in entry["programs"]},
    )


def _key(*fields_: Any) -> ProgramKey:
    key = ProgramKey(*fields_)
    return key._replace(requantise=tuple(key.requantise) if key.requantise else None)


def _tensor(entry: dict[str, Any]) -> TensorType:
    return TensorType(name=entry["name"], dtype=entry["dtype"], shape=tuple(entry["shape"]))


def _present(array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise CompiledModelError("an array is missing")
    return array
