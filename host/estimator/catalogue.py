"""Shapes of well-known models, from the `config.json` that their publishers ship."""

from __future__ import annotations

import difflib
from pathlib import Path

from .model_shape import EstimateError, ModelShape, WeightFormat
from .read_shape import shape_of_file

__all__ = ["MODELS", "find_model", "model_names"]

_TERNARY = WeightFormat(bits=2, ternary=True)
#: What 4-bit files of models trained in float usually have (GPTQ, AWQ).
_INT4 = WeightFormat(bits=4, group_size=128)


def _bitnet(
    name: str, repository: str, width: int, hidden: int, layers: int, heads: int, kv_heads: int,
    vocabulary: int,
) -> ModelShape:  # fmt: skip
    return _llama(name, repository, width, hidden, layers, heads, kv_heads, vocabulary, _TERNARY)


def _llama(
    name: str, repository: str, width: int, hidden: int, layers: int, heads: int, kv_heads: int,
    vocabulary: int, weights: WeightFormat = _INT4, *, gated: bool = True,
    embedding: int | None = None,
) -> ModelShape:  # fmt: skip
    return ModelShape(
        name=name,
        source=f"https://huggingface.co/{repository}/blob/main/config.json",
        width=width,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_width=width // heads,
        vocabulary=vocabulary,
        gated=gated,
        weights=weights,
        embedding=embedding,
    )


def _opt(
    name: str, width: int, layers: int, heads: int, embedding: int | None = None
) -> ModelShape:
    """OPT: four times wider feed-forward layers without a gate (Zhang et al. 2022, table 1)."""
    return _llama(name, f"facebook/{name}", width, 4 * width, layers, heads, heads, 50272,
                  gated=False, embedding=embedding)  # fmt: skip


_ALL = (
    _bitnet("bitnet-0.7b", "1bitLLM/bitnet_b1_58-large", 1536, 4096, 24, 16, 16, 32002),
    _bitnet("bitnet-3b", "1bitLLM/bitnet_b1_58-3B", 3200, 8640, 26, 32, 32, 32002),
    _bitnet("bitnet-2b-4t", "microsoft/bitnet-b1.58-2B-4T", 2560, 6912, 30, 20, 5, 128256),
    _llama("llama-2-7b", "meta-llama/Llama-2-7b-hf", 4096, 11008, 32, 32, 32, 32000),
    _llama("llama-3-8b", "meta-llama/Meta-Llama-3-8B", 4096, 14336, 32, 32, 8, 128256),
    _llama("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B", 896, 4864, 24, 14, 2, 151936),
    _llama("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B", 1536, 8960, 28, 12, 2, 151936),
    _llama("qwen2.5-3b", "Qwen/Qwen2.5-3B", 2048, 11008, 36, 16, 2, 151936),
    _llama("qwen2.5-7b", "Qwen/Qwen2.5-7B", 3584, 18944, 28, 28, 4, 152064),
    _llama("qwen2.5-14b", "Qwen/Qwen2.5-14B", 5120, 13824, 48, 40, 8, 152064),
    _opt("opt-125m", 768, 12, 12),
    _opt("opt-350m", 1024, 24, 16, 512),
    _opt("opt-1.3b", 2048, 24, 32),
    _opt("opt-2.7b", 2560, 32, 32),
    _opt("opt-6.7b", 4096, 32, 32),
)

#: Every built-in model by its name.
MODELS = {model.name: model for model in _ALL}

_ALIASES = {"bitnet-2b": "bitnet-2b-4t", "bitnet-b1.58-3b": "bitnet-3b", "bitnet": "bitnet-2b-4t"}


def model_names() -> list[str]:
    """Names of the built-in models."""
    return list(MODELS)


def find_model(name: str) -> ModelShape:
    """A built-in model by its name in any case, or the shape that a file tells.

    Parameters
    ----------
    name : str
        A name, or the path of a `config.json` or GGUF file.

    Raises
    ------
    EstimateError
        There is no such model or file, or the file does not say enough.
    ModelFileError
        The GGUF is damaged.
    """
    key = name.strip().lower().replace("_", "-")
    key = _ALIASES.get(key, key)
    if key in MODELS:
        return MODELS[key]
    path = Path(name)
    if path.is_file():
        return shape_of_file(path)
    near = difflib.get_close_matches(key, [*MODELS, *_ALIASES], n=3, cutoff=0.5)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise EstimateError(f"model must be a file or one of {', '.join(MODELS)}, not {name!r}{hint}")
