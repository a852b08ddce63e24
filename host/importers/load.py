"""Open a model file of any format that is known, by what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import DamagedFileError
from .gguf_file import read_gguf
from .mapped_file import map_file
from .model import Model, Quantiser
from .onnx_file import read_onnx
from .safetensors_file import read_config, read_safetensors, shards_of

__all__ = ["load_model"]

_INDEX = ".safetensors.index.json"


def load_model(
    path: str | os.PathLike[str],
    *,
    scale_bits: int = 8,
    exact: bool = False,
    quantise: Quantiser | None = None,
) -> Model:
    """Open a model: a mapping from tensor names to matrices and arrays, loaded when asked for.

    Only the header is read. GGUF needs no extra; safetensors and ONNX need ``lutra[models]``.

    Parameters
    ----------
    path : str or path
        A ``.gguf``, ``.safetensors`` or ``.onnx`` file, a ``.safetensors.index.json`` that lists
        several files, or a folder with one of these.
    scale_bits : int
        Width of integer group scales, as `Config.scale_bits` of the accelerator.
    exact : bool
        Keep group scales whole, as several products; see `lutra.host.importers.encode`.
    quantise : callable, optional
        Makes a `QuantizedMatrix` of every float matrix ``[N, K]``, for example
        ``functools.partial(quantize_rtn, bits=4, group_size=64)``.

    Returns
    -------
    Model

    Raises
    ------
    DamagedFileError
        The file is truncated, of no known kind, or contradicts itself.
    UnsupportedTensorError
        It keeps quantised weights in a layout that is not known.
    MissingPackageError
        The format needs an extra that is not installed.
    OSError
        The file cannot be read.
    """
    source = Path(path)
    if source.is_dir():
        source = _in_folder(source)
    name = source.name
    if name.endswith((_INDEX, ".safetensors")):
        files = shards_of(source) if name.endswith(_INDEX) else [source]
        metadata, tensors = read_safetensors(files, read_config(source.parent))
        kind = "safetensors"
    else:
        data = map_file(source)
        if bytes(data[:4]) == b"GGUF" or source.suffix == ".gguf":
            header, tensors = read_gguf(data)
            metadata, kind = header.metadata, "GGUF"
        elif source.suffix == ".onnx":
            metadata, tensors = read_onnx(data, source.parent)
            kind = "ONNX"
        else:
            raise DamagedFileError(
                f"{name} must be a .gguf, .safetensors or .onnx file, or a {_INDEX[1:]}"
            )
    return Model(kind, tensors, metadata, scale_bits=scale_bits, exact=exact, quantise=quantise)


def _in_folder(folder: Path) -> Path:
    """The one model file of a folder."""
    for pattern in (f"*{_INDEX}", "*.safetensors", "*.gguf", "*.onnx"):
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            raise DamagedFileError(f"{folder} must hold one {pattern}, not {len(found)}: name one")
    raise DamagedFileError(f"{folder} must hold a .gguf, .safetensors or .onnx file")
