"""An array of a safetensors file, read in whole or in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import widened
from .mapped_file import element_count

__all__ = ["FLOATS", "StoredArray"]

#: Types that scales may have.
FLOATS = ("F32", "F16", "BF16")
_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2,
    "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}  # fmt: skip


@dataclass(frozen=True)
class StoredArray:
    """Name, type, shape and content of an array.

    Attributes
    ----------
    kind : str
        The file's name of the type, such as ``BF16``.
    part : object
        What ``get_slice`` of the library gave.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    part: Any

    @property
    def nbytes(self) -> int:
        """Bytes in the file; 0 of unknown types."""
        return element_count(self.shape, f"tensor {self.name!r}") * _BYTES.get(self.kind, 0)

    def read(self, *index: slice) -> np.ndarray:
        """The array, or the part that `index` names; copied out of the file.

        Raises
        ------
        DamagedFileError, UnsupportedTensorError
        """
        from safetensors import SafetensorError

        try:
            return self.part[index or (...,)]
        except SafetensorError as error:
            raise DamagedFileError(f"tensor {self.name!r}: {error}") from None
        except (AttributeError, TypeError) as error:
            # NumPy lacks the type.
            raise UnsupportedTensorError(
                f"type of tensor {self.name!r} must be one that NumPy has, not {self.kind}"
            ) from error

    def read_floats_or_integers(self) -> np.ndarray:
        """The array, with bfloat16 widened to float32."""
        array = self.read()
        return widened(array) if self.kind == "BF16" else array

    def check(self, kinds: tuple[str, ...], *shape: int | None) -> None:
        """Raise unless the type is one of `kinds` and the shape is `shape`, None for any extent.

        Raises
        ------
        DamagedFileError
        """
        if self.kind not in kinds:
            raise DamagedFileError(
                f"tensor {self.name!r} must be {' or '.join(kinds)}, not {self.kind}"
            )
        fits = len(self.shape) == len(shape) and all(
            want is None or want == have for want, have in zip(shape, self.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise DamagedFileError(
                f"tensor {self.name!r} must have shape [{wanted}], not {list(self.shape)}"
            )
