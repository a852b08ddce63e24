"""Files beside an ONNX model that hold the data of its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import DamagedFileError
from .mapped_file import Buffer, map_file, span

__all__ = ["ExternalFiles"]


class ExternalFiles:
    """Files of one folder, each mapped once.

    Parameters
    ----------
    folder : Path or None
        Where the model is; None where it has no file.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._mapped: dict[str, Buffer] = {}

    def locate(self, proto: Any, size: int) -> tuple[Buffer, int, int]:
        """File, offset and length of the data of a TensorProto; `size` bytes if it does not say.

        Raises
        ------
        DamagedFileError
            The file does not exist, ends too early, or is not in the model's folder.
        """
        what = f"tensor {proto.name!r}"
        entries = {entry.key: entry.value for entry in proto.external_data}
        try:
            offset = int(entries.get("offset", 0))
            length = int(entries.get("length", size))
        except ValueError:
            raise DamagedFileError(f"{what} must have numbers as offset and length") from None
        source = self._open(entries.get("location", ""), what)
        span(source, offset, length, what)
        return source, offset, length

    def _open(self, location: str, what: str) -> Buffer:
        if location in self._mapped:
            return self._mapped[location]
        if self._folder is None or not location or "\0" in location:
            raise DamagedFileError(f"{what} must have its data in a file, not in {location!r}")
        path = (self._folder / location).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise DamagedFileError(f"{what} must have its data beside the model, not in {path}")
        if not path.is_file():
            raise DamagedFileError(f"{what} has its data in {location!r}, which must be a file")
        self._mapped[location] = map_file(path)
        return self._mapped[location]
