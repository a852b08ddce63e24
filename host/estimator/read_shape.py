"""The shape of a model from a `config.json` or from the header of a GGUF file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from gguf import GGMLQuantizationType

from ..importers.gguf_header import GGUFHeader, read_header
from ..importers.mapped_file import map_file
from .model_shape import EstimateError, ModelShape, WeightFormat

__all__ = ["shape_of_file"]

#: Bits and group of the GGUF types that have codes of one width.
_GGUF_FORMATS: dict[object, WeightFormat] = {
    GGMLQuantizationType.TQ1_0: WeightFormat(bits=2, ternary=True),
    GGMLQuantizationType.TQ2_0: WeightFormat(bits=2, ternary=True),
    GGMLQuantizationType.Q2_K: WeightFormat(bits=2, group_size=16),
    GGMLQuantizationType.Q3_K: WeightFormat(bits=3, group_size=16),
    GGMLQuantizationType.Q4_0: WeightFormat(bits=4, group_size=32),
    GGMLQuantizationType.Q4_1: WeightFormat(bits=4, group_size=32),
    GGMLQuantizationType.Q4_K: WeightFormat(bits=4, group_size=32),
    GGMLQuantizationType.Q5_0: WeightFormat(bits=5, group_size=32),
    GGMLQuantizationType.Q5_K: WeightFormat(bits=5, group_size=32),
    GGMLQuantizationType.Q6_K: WeightFormat(bits=6, group_size=16),
    GGMLQuantizationType.Q8_0: WeightFormat(bits=8, group_size=32),
}
#: Architectures whose feed-forward layer has no gate.
_PLAIN = ("opt", "gpt2", "gptneox", "phi", "falcon", "bloom")
_LARGEST_JSON = 1 << 20


def shape_of_file(path: Path) -> ModelShape:
    """Shape and weight format; float weights are taken as int4 in groups of 128.

    Raises
    ------
    EstimateError
        The file is none of the two, or a size is missing.
    ModelFileError
        The GGUF is damaged.
    OSError
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"GGUF":
        return _of_gguf(read_header(map_file(path)), path.name)
    if path.stat().st_size > _LARGEST_JSON:
        raise EstimateError(f"{path.name} must be a config.json or a GGUF file")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise EstimateError(f"{path.name} must be a config.json or a GGUF file") from None
    if not isinstance(config, dict):
        raise EstimateError(f"{path.name} must hold a JSON object")
    return _of_config(config, path.name)


def _of_config(config: Mapping[str, object], name: str) -> ModelShape:
    """From the keys of Hugging Face transformers."""
    family = str(config.get("model_type", ""))
    heads = _size(config, name, "num_attention_heads", "n_head")
    width = _size(config, name, "hidden_size", "n_embd", "d_model")
    hidden = config.get("intermediate_size") or config.get("ffn_dim") or config.get("n_inner")
    projected = config.get("word_embed_proj_dim")
    return ModelShape(
        name=str(config.get("_name_or_path") or name),
        source=name,
        width=width,
        hidden=_integer(hidden, name, "intermediate_size") if hidden else 4 * width,
        layers=_size(config, name, "num_hidden_layers", "n_layer"),
        heads=heads,
        kv_heads=_integer(config.get("num_key_value_heads") or heads, name, "num_key_value_heads"),
        head_width=_integer(config.get("head_dim") or width // heads, name, "head_dim"),
        vocabulary=_size(config, name, "vocab_size"),
        gated=family not in _PLAIN,
        weights=_format(config),
        embedding=None
        if projected in (None, width)
        else _integer(projected, name, "word_embed_proj_dim"),
    )


def _format(config: Mapping[str, object]) -> WeightFormat:
    quantised = config.get("quantization_config")
    if not isinstance(quantised, Mapping):
        quantised = {}
    bitnet = "bitnet" in str(config.get("architectures", "")).lower()
    if bitnet or str(quantised.get("quant_method")) == "bitnet":
        return WeightFormat(bits=2, ternary=True)
    bits, group = quantised.get("bits"), quantised.get("group_size", 128)
    if not isinstance(bits, int):
        return WeightFormat(bits=4, group_size=128)
    return WeightFormat(
        bits=bits, group_size=group if isinstance(group, int) and group > 0 else None
    )


def _of_gguf(header: GGUFHeader, name: str) -> ModelShape:
    metadata = header.metadata
    family = metadata.get("general.architecture")
    if not isinstance(family, str):
        raise EstimateError(f"{name} must say its general.architecture")

    def size(key: str) -> int:
        return _size(metadata, name, f"{family}.{key}")

    heads, width = size("attention.head_count"), size("embedding_length")
    kv_heads = metadata.get(f"{family}.attention.head_count_kv") or heads
    head_width = metadata.get(f"{family}.attention.key_length") or width // heads
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or not embedding.shape:
        raise EstimateError(f"{name} must have a tensor token_embd.weight")
    gated = any(
        tensor.startswith(("blk.0.ffn_gate", "blk.0.ffn_gate_up")) for tensor in header.tensors
    )
    up = header.tensors.get("blk.0.ffn_up.weight")
    hidden = size("feed_forward_length")
    # Files that stack gate and up have an up projection of twice the width.
    gated = gated or (up is not None and up.shape[0] == 2 * hidden)
    kind = None if up is None else up.kind
    return ModelShape(
        name=str(metadata.get("general.name") or name),
        source=name,
        width=width,
        hidden=hidden,
        layers=size("block_count"),
        heads=heads,
        kv_heads=_integer(kv_heads, name, "head_count_kv"),
        head_width=_integer(head_width, name, "key_length"),
        vocabulary=embedding.shape[0],
        gated=gated,
        weights=_GGUF_FORMATS.get(kind, WeightFormat(bits=4, group_size=128)),
    )


def _size(values: Mapping[str, object], name: str, *keys: str) -> int:
    for key in keys:
        if values.get(key) is not None:
            return _integer(values[key], name, key)
    raise EstimateError(f"{name} must give {keys[0]}")


def _integer(value: object, name: str, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise EstimateError(f"{key} of {name} must be a positive integer, not {value!r}")
    return value
