"""What can be wrong with a model file, by name."""

from __future__ import annotations

from ..errors import LutraError

__all__ = [
    "DamagedFileError",
    "MissingPackageError",
    "ModelFileError",
    "UnknownTensorError",
    "UnsupportedTensorError",
]


class ModelFileError(LutraError, ValueError):
    """A model file that cannot be read."""


class DamagedFileError(ModelFileError):
    """A file that ends too early, is of another kind, or contradicts itself."""


class UnsupportedTensorError(ModelFileError):
    """A tensor of a type or layout that no importer reads; the others of its file are fine."""


class UnknownTensorError(LutraError, KeyError):
    """A name that the model does not have."""

    def __str__(self) -> str:
        # `KeyError` shows the text quoted.
        return str(self.args[0]) if self.args else ""


class MissingPackageError(LutraError, ImportError):
    """A format whose library is an extra that is not installed."""
