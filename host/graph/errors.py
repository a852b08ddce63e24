"""What can go wrong between a model file and its run on a device, by name."""

from __future__ import annotations

from ..errors import LutraError

__all__ = ["CompiledModelError", "GraphError", "ModelInputError"]


class GraphError(LutraError, ValueError):
    """A graph that cannot be compiled; the text names the node or tensor."""


class CompiledModelError(LutraError, ValueError):
    """A file that is no compiled model, or a damaged one."""


class ModelInputError(LutraError, ValueError):
    """Inputs that are not those of the model."""
