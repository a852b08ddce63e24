"""A ternary language model whose linear layers run on a pluggable integer backend."""

from .backend import (
    BackendInputError,
    BackendMismatchError,
    ComparingBackend,
    LinearBackend,
    NumpyBackend,
)
from .checkpoint import (
    SHIPPED,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
)
from .decoder import Decoder, TokenError
from .sampling import Sampler, SamplingError, generate, generate_text
from .tokenizer import ByteTokenizer, TokenizerError
from .writer import save_checkpoint

__all__ = [
    "SHIPPED",
    "BackendInputError",
    "BackendMismatchError",
    "ByteTokenizer",
    "Checkpoint",
    "CheckpointError",
    "ComparingBackend",
    "Decoder",
    "LinearBackend",
    "NumpyBackend",
    "Sampler",
    "SamplingError",
    "TokenError",
    "TokenizerError",
    "generate",
    "generate_text",
    "load_checkpoint",
    "save_checkpoint",
]
