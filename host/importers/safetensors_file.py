"""safetensors files: plain arrays, and the layouts in which others keep quantised matrices.

The container is read by the `safetensors` package, which checks every size before anything is
believed; arrays are read, in whole or in part, when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .awq import awq_matrix, is_awq
from .bitnet import bitnet_matrix
from .errors import DamagedFileError, MissingPackageError
from .gptq import gptq_matrix
from .imported_tensor import ImportedTensor, PlainTensor
from .stored_array import StoredArray

__all__ = ["read_config", "read_safetensors", "shards_of"]

_LARGEST_JSON = 64 << 20
_PACKED = ("qweight", "qzeros", "scales", "g_idx")


def read_safetensors(
    files: Iterable[Path], config: dict[str, Any]
) -> tuple[dict[str, str], dict[str, ImportedTensor | PlainTensor]]:
    """Metadata and tensors of one model in one or several files.

    A quantised matrix has the name that it would have as a float one: ``x.weight`` for
    ``x.qweight`` with its scales and zero points.

    Parameters
    ----------
    files : iterable of Path
    config : dict
        The model's ``config.json``, or nothing.

    Raises
    ------
    MissingPackageError, DamagedFileError, UnsupportedTensorError
    """
    metadata: dict[str, str] = {}
    arrays: dict[str, StoredArray] = {}
    for path in files:
        said, found = _open(path)
        metadata |= said
        twice = arrays.keys() & found.keys()
        if twice:
            raise DamagedFileError(f"tensor {min(twice)!r} must be in one file only")
        arrays |= found
    settings = config.get("quantization_config", config)
    settings = settings if isinstance(settings, dict) else {}
    tensors: dict[str, ImportedTensor | PlainTensor] = {}
    parts: set[str] = set()
    for name, array in arrays.items():
        stem, _, last = name.rpartition(".")
        weight = f"{stem}.weight" if stem else "weight"
        if last == "qweight":
            family = {key: arrays.get(name[: -len(last)] + key) for key in _PACKED}
            make = awq_matrix if is_awq(family) else gptq_matrix
            tensors[weight] = make(weight, family, settings)
            parts |= {part.name for part in family.values() if part is not None}
        elif last == "weight" and array.kind == "U8" and f"{name}_scale" in arrays:
            tensors[name] = bitnet_matrix(name, array, arrays[f"{name}_scale"], settings)
            parts |= {name, f"{name}_scale"}
    for name in arrays.keys() - parts:
        if name in tensors:
            raise DamagedFileError(f"tensor {name!r} must be there once, packed or not")
    for name, array in arrays.items():
        if name not in parts:
            tensors[name] = PlainTensor(
                name=name,
                type=array.kind,
                shape=array.shape,
                nbytes=array.nbytes,
                read_array=array.read_floats_or_integers,
            )
    return metadata, tensors


def _open(path: Path) -> tuple[dict[str, str], dict[str, StoredArray]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingPackageError(
            "safetensors files need the package safetensors: pip install lutra[models]"
        ) from None
    if not path.is_file():
        raise FileNotFoundError(f"{path} must be a file")
    try:
        file = safe_open(path, "numpy")
        names = list(file.keys())
        slices = {name: file.get_slice(name) for name in names}
        return file.metadata() or {}, {
            name: StoredArray(name, part.get_dtype(), tuple(part.get_shape()), part)
            for name, part in slices.items()
        }
    except SafetensorError as error:
        raise DamagedFileError(f"not readable as safetensors: {error}") from None


def shards_of(index: Path) -> list[Path]:
    """The files that a ``*.safetensors.index.json`` lists, each once.

    Raises
    ------
    DamagedFileError
        The file is something else, or names files elsewhere.
    """
    table = _read_json(index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise DamagedFileError(f"{index.name} must have a 'weight_map' of tensors to files")
    names = sorted({str(name) for name in table.values()})
    for name in names:
        if Path(name).name != name:
            raise DamagedFileError(f"{index.name} must name files beside it, not {name!r}")
    return [index.with_name(name) for name in names]


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder, with ``quantize_config.json`` for what it leaves out."""
    found: dict[str, Any] = {}
    for name in ("quantize_config.json", "config.json"):
        if (folder / name).is_file():
            found |= _read_json(folder / name)
    return found


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_JSON:
        raise DamagedFileError(f"{path.name} must have at most {_LARGEST_JSON} bytes")
    try:
        value = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path.name} must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise DamagedFileError(f"{path.name} must hold an object, not {type(value).__name__}")
    return value
