"""Inputs for a compiled model: from a file, or made up."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ...gen.files import replacing
from .compiled import CompiledModel
from .errors import ModelInputError

__all__ = ["random_inputs", "read_inputs", "write_outputs"]


def read_inputs(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file, by name.

    Raises
    ------
    ModelInputError
        It is none.
    OSError
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ModelInputError(f"{path} must be an .npz file with an array for each input")
            return {name: arrays[name] for name in arrays}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, ModelInputError):
            raise
        raise ModelInputError(f"{path} is no .npz file: {error}") from error


def random_inputs(model: CompiledModel, extent: int, seed: int) -> dict[str, np.ndarray]:
    """Normal numbers for real inputs, ones for integers, ``True`` for masks.

    Ones are what indices and masks of any graph can be; free extents are `extent`.

    Raises
    ------
    ModelInputError
        An input takes texts.
    """
    rng = np.random.default_rng(seed)
    made = {}
    for tensor in model.inputs:
        shape = tuple(extent if n is None else n for n in tensor.shape)
        dtype = np.dtype(tensor.dtype)
        if dtype.kind not in "fiub":
            raise ModelInputError(f"input {tensor.name!r} must be given: it is {tensor.dtype}")
        real = dtype.kind == "f"
        made[tensor.name] = (rng.standard_normal(shape) if real else np.ones(shape)).astype(dtype)
    return made


def write_outputs(path: Path, outputs: dict[str, np.ndarray]) -> None:
    """Write an .npz file, whole or not at all; names may be any, texts become arrays of them.

    Raises
    ------
    OSError
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, value in outputs.items():
            array = value.astype(np.str_) if value.dtype == object else value
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
