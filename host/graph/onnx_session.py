"""Opening a model in onnxruntime, an extra of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LutraError
from .errors import CompiledModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_session"]


def open_session(model: bytes) -> InferenceSession:
    """A serialised model in onnxruntime, on the processor, one thread.

    Raises
    ------
    LutraError
        onnxruntime is not installed.
    CompiledModelError
        It refuses the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise LutraError(
            "what is not on the device runs in onnxruntime: pip install 'lutra[models]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which share no public base
        raise CompiledModelError(f"onnxruntime refuses a part of the model: {error}") from error
