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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from .architecture import ArchitectureError, DecoderConfig
from .header import CheckpointError, check_header
from .ternary import TernaryMatrix, TernaryRangeError
from .tokenizer import ByteTokenizer, TokenizerError

__all__ = [
    "EMBEDDING",
    "LAYOUT",
    "LAYOUT_KEY",
    "SHIPPED",
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
]

SHIPPED = Path(__file__).with_name("stdlib-ternary.gguf")
"""The model trained on the standard library's source that comes with the package."""

LAYOUT_KEY = "lutra.layout"
LAYOUT = "fused-qkv, fused-gate-up, squared-relu"
EMBEDDING = "token_embd.weight"


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
    try:
        check_header(source)
        reader = gguf.GGUFReader(source)
        return _checkpoint(reader)
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from None
    except (ArchitectureError, TokenizerError, TernaryRangeError) as error:
        raise CheckpointError(f"{source.name}: {error}") from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        # whatever the reader stumbles over after the header check
        raise CheckpointError(f"{source.name}: not readable as GGUF ({error!r})") from error


def _checkpoint(reader: gguf.GGUFReader) -> Checkpoint:
    architecture = _field(reader, "general.architecture", str)
    if architecture != "bitnet":
        raise CheckpointError(f"architecture {architecture!r}; 'bitnet' expected")
    layout = _field(reader, LAYOUT_KEY, str)
    if layout != LAYOUT:
        raise CheckpointError(f"layout {layout!r}; {LAYOUT!r} expected")
    kind = _field(reader, "tokenizer.ggml.model", str)
    if kind != "gpt2":
        raise CheckpointError(f"tokenizer {kind!r}; 'gpt2' expected")
    tokens = _field(reader, "tokenizer.ggml.tokens", list)
    config = DecoderConfig(
        width=_field(reader, "bitnet.embedding_length", int),
        hidden=_field(reader, "bitnet.feed_forward_length", int),
        layers=_field(reader, "bitnet.block_count", int),
        heads=_field(reader, "bitnet.attention.head_count", int),
        vocabulary=len(tokens),
        context=_field(reader, "bitnet.context_length", int),
        rope_base=_field(reader, "bitnet.rope.freq_base", float),
        norm_epsilon=_field(reader, "bitnet.attention.layer_norm_rms_epsilon", float),
    )
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    if config.layers > len(tensors):
        raise CheckpointError(f"{config.layers} blocks announced, {len(tensors)} tensors present")
    kinds = dict.fromkeys(config.ternary_shapes(), Kind.TQ2_0)
    kinds |= dict.fromkeys(config.norm_shapes(), Kind.F32)
    kinds[EMBEDDING] = Kind.F16
    for name in sorted(kinds.keys() | tensors.keys()):
        if name not in kinds:
            raise CheckpointError(f"tensor {name!r} does not belong to the architecture")
        if name not in tensors:
            raise CheckpointError(f"tensor {name!r} is missing")
        if tensors[name].tensor_type != kinds[name]:
            raise CheckpointError(
                f"tensor {name!r} is {tensors[name].tensor_type.name}; {kinds[name].name} expected"
            )
    return Checkpoint(
        config=config,
        tokenizer=ByteTokenizer(tokens, _field(reader, "tokenizer.ggml.merges", list)),
        matrices={name: _ternary(name, tensors[name].data) for name in config.ternary_shapes()},
        gains={name: np.array(tensors[name].data) for name in config.norm_shapes()},
        embedding=np.array(tensors[EMBEDDING].data),
    )


def _ternary(name: str, data: NDArray[Any]) -> TernaryMatrix:
    """Unpack one TQ2_0 tensor; every block must hold the same scale or only zeros."""
    values = gguf.quants.dequantize(np.array(data), Kind.TQ2_0)
    scale = np.abs(values).max()
    codes = np.sign(values)
    if not np.isfinite(scale) or scale <= 0.0 or not np.array_equal(codes * scale, values):
        raise CheckpointError(f"tensor {name!r} is not ternary with one positive scale")
    return TernaryMatrix(codes.astype(np.int8), float(scale))


def _field(reader: gguf.GGUFReader, key: str, kind: type) -> Any:
    field = reader.get_field(key)
    value = None if field is None else field.contents()
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CheckpointError(f"metadata {key!r} is {value!r:.60}; {kind.__name__} expected")
    return value
