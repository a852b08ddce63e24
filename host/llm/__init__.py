"""A ternary language model whose linear layers run on a pluggable integer backend."""

from lutra.host.llm.backend import (
    BackendInputError,
    BackendMismatchError,
    ComparingBackend,
    LinearBackend,
    NumpyBackend,
)
from lutra.host.llm.checkpoint import (
    SHIPPED,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
)
from lutra.host.llm.decoder import Decoder, TokenError
from lutra.host.llm.sampling import Sampler, SamplingError, generate, generate_text
from lutra.host.llm.tokenizer import ByteTokenizer, TokenizerError
from lutra.host.llm.writer import save_checkpoint

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
