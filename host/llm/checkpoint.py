"""Read the model file: a GGUF with ternary matrices as TQ2_0.

TQ2_0 keeps four codes per byte and one half-precision scale per 256 of them; all blocks of a
tensor share the tensor's scale (or hold only zeros), so codes and scale survive exactly.  The
tensor names are those of the ``bitnet`` architecture, except that query, key and value are one
tensor and so are gate and up; the key `LAYOUT_KEY` says so.

References
----------
GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
TQ2_0: https://github.com/ggml-org/llama.cpp/pull/8151
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LutraError
from ..importers import ImportedTensor, Model, ModelFileError, PlainTensor, load_model
from .architecture import ArchitectureError, DecoderConfig
from .ternary import TernaryMatrix, TernaryRangeError
from .tokenizer import ByteTokenizer, TokenizerError

__all__ = [
    "EMBEDDING",
    "LARGEST_FILE",
    "LAYOUT",
    "LAYOUT_KEY",
    "SHIPPED",
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
]

SHIPPED = Path(__file__).with_name("stdlib-ternary.gguf")
"""The model trained on the standard library's source that comes with the package."""

LARGEST_FILE = 64 << 20
"""Largest file read, in bytes: thirty times the shipped model, all of which is kept in memory."""

LAYOUT_KEY = "lutra.layout"
LAYOUT = "fused-qkv, fused-gate-up, squared-relu"
EMBEDDING = "token_embd.weight"


class CheckpointError(LutraError, ValueError):
    """A model file that is damaged, of another kind, or inconsistent with itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Everything a decoder needs.

    Parameters
    ----------
    config : DecoderConfig
        Shape.
    tokenizer : ByteTokenizer
        As many tokens as the shape says.
    matrices : dict of str to TernaryMatrix
        The matrices of `DecoderConfig.ternary_shapes`.
    gains : dict of str to ndarray of float32
        The gains of `DecoderConfig.norm_shapes`.
    embedding : ndarray of float16, shape (vocabulary, width)
        Also the output head.

    Raises
    ------
    CheckpointError
        If a tensor is missing, surplus, of another shape, or not finite.
    """

    config: DecoderConfig
    tokenizer: ByteTokenizer
    matrices: dict[str, TernaryMatrix]
    gains: dict[str, NDArray[np.float32]]
    embedding: NDArray[np.float16]

    def __post_init__(self) -> None:
        found: dict[str, tuple[int, ...]] = {n: m.codes.shape for n, m in self.matrices.items()}
        found |= {name: gain.shape for name, gain in self.gains.items()}
        found[EMBEDDING] = self.embedding.shape
        wanted: dict[str, tuple[int, ...]] = {**self.config.ternary_shapes()}
        wanted |= self.config.norm_shapes()
        wanted[EMBEDDING] = (self.config.vocabulary, self.config.width)
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise CheckpointError(
                    f"tensor {name!r} has shape {found.get(name)}; {wanted.get(name)} expected"
                )
        for name, values in (*self.gains.items(), (EMBEDDING, self.embedding)):
            if not np.isfinite(values).all():
                raise CheckpointError(f"tensor {name!r} holds a value that is not finite")
        if len(self.tokenizer) != self.config.vocabulary:
            raise CheckpointError(
                f"{len(self.tokenizer)} tokens for a vocabulary of {self.config.vocabulary}"
            )


def load_checkpoint(path: str | os.PathLike[str] = SHIPPED) -> Checkpoint:
    """Read a model file.

    Raises
    ------
    CheckpointError
        If the file is truncated, is no GGUF of this layout, or contradicts itself.
    OSError
        If the file cannot be read.
    """
    source = Path(path)
    size = source.stat().st_size
    if size > LARGEST_FILE:
        raise CheckpointError(f"{source.name} must have at most {LARGEST_FILE} bytes, not {size}")
    try:
        return _checkpoint(load_model(source))
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from None
    except (ArchitectureError, ModelFileError, TokenizerError, TernaryRangeError) as error:
        text = str(error)
        named = text if text.startswith(source.name) else f"{source.name}: {text}"
        raise CheckpointError(named) from error


def _checkpoint(model: Model) -> Checkpoint:
    if model.format != "GGUF":
        raise CheckpointError(f"{model.format} file; GGUF expected")
    metadata = model.metadata
    architecture = _field(metadata, "general.architecture", str)
    if architecture != "bitnet":
        raise CheckpointError(f"architecture {architecture!r}; 'bitnet' expected")
    layout = _field(metadata, LAYOUT_KEY, str)
    if layout != LAYOUT:
        raise CheckpointError(f"layout {layout!r}; {LAYOUT!r} expected")
    kind = _field(metadata, "tokenizer.ggml.model", str)
    if kind != "gpt2":
        raise CheckpointError(f"tokenizer {kind!r}; 'gpt2' expected")
    tokens = _field(metadata, "tokenizer.ggml.tokens", list)
    config = DecoderConfig(
        width=_field(metadata, "bitnet.embedding_length", int),
        hidden=_field(metadata, "bitnet.feed_forward_length", int),
        layers=_field(metadata, "bitnet.block_count", int),
        heads=_field(metadata, "bitnet.attention.head_count", int),
        vocabulary=len(tokens),
        context=_field(metadata, "bitnet.context_length", int),
        rope_base=_field(metadata, "bitnet.rope.freq_base", float),
        norm_epsilon=_field(metadata, "bitnet.attention.layer_norm_rms_epsilon", float),
    )
    tensors = model.tensors
    if config.layers > len(tensors):
        raise CheckpointError(f"{config.layers} blocks announced, {len(tensors)} tensors present")
    kinds = dict.fromkeys(config.ternary_shapes(), "TQ2_0")
    kinds |= dict.fromkeys(config.norm_shapes(), "F32")
    kinds[EMBEDDING] = "F16"
    for name in sorted(kinds.keys() | tensors.keys()):
        if name not in kinds:
            raise CheckpointError(f"tensor {name!r} does not belong to the architecture")
        if name not in tensors:
            raise CheckpointError(f"tensor {name!r} is missing")
        if tensors[name].type != kinds[name]:
            raise CheckpointError(
                f"tensor {name!r} is {tensors[name].type}; {kinds[name]} expected"
            )
    return Checkpoint(
        config=config,
        tokenizer=ByteTokenizer(tokens, _field(metadata, "tokenizer.ggml.merges", list)),
        matrices={name: _ternary(tensors[name]) for name in config.ternary_shapes()},
        gains={name: np.array(tensors[name].read()) for name in config.norm_shapes()},
        embedding=np.array(tensors[EMBEDDING].read()),
    )


def _ternary(tensor: ImportedTensor | PlainTensor) -> TernaryMatrix:
    """The codes of one TQ2_0 tensor; every block must hold the same scale or only zeros."""
    assert isinstance(tensor, ImportedTensor)
    read = tensor.read()
    codes = read.grouped(read.codes).astype(np.int8) - np.int8(1)
    codes[read.scales == 0] = 0
    used = codes.any(axis=2)
    scales = np.unique(read.scales[used])
    if len(scales) != 1 or not np.isfinite(scales[0]) or scales[0] <= 0 or codes.max() > 1:
        raise CheckpointError(f"tensor {tensor.name!r} is not ternary with one positive scale")
    return TernaryMatrix(read.ungrouped(codes), float(scales[0]))


def _field(metadata: Mapping[str, object], key: str, kind: type) -> Any:
    value = metadata.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CheckpointError(f"metadata {key!r} is {value!r:.60}; {kind.__name__} expected")
    return value
