"""Shapes: of well-known models, of files, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lutra.host.estimator.catalogue import MODELS, find_model
from lutra.host.estimator.model_shape import EstimateError, ModelShape, WeightFormat
from lutra.host.importers.errors import DamagedFileError
from lutra.host.llm.checkpoint import SHIPPED

#: Parameters that the models are published with (in millions): of everything but embeddings that
#: are no output layer, norms and biases, so ours are a little fewer or, where tied, as many.
PUBLISHED = {
    "bitnet-0.7b": 729, "bitnet-3b": 3324, "bitnet-2b-4t": 2413, "llama-2-7b": 6738,
    "llama-3-8b": 8030, "qwen2.5-0.5b": 494, "qwen2.5-1.5b": 1544, "qwen2.5-3b": 3086,
    "qwen2.5-7b": 7616, "qwen2.5-14b": 14770, "opt-125m": 125, "opt-350m": 331, "opt-1.3b": 1316,
    "opt-2.7b": 2652, "opt-6.7b": 6658,
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_published(name: str):
    model = MODELS[name]
    published = PUBLISHED[name] * 1e6
    # Of the embedding, one copy at most is missing.
    missing = model.vocabulary * model.width
    assert published - missing * 1.02 <= model.parameters <= published * 1.07


def test_products_of_the_same_activations_are_one():
    shapes = {x.name: (x.n, x.k, x.count) for x in find_model("llama-3-8b").linears()}
    assert shapes == {
        "attn_qkv": (6144, 4096, 32),
        "attn_output": (4096, 4096, 32),
        "ffn_gate_up": (28672, 4096, 32),
        "ffn_down": (4096, 14336, 32),
        "output": (128256, 4096, 1),
    }
    shapes = {x.name: (x.n, x.k) for x in find_model("opt-350m").linears()}
    assert shapes["ffn_up"] == (4096, 1024)
    assert shapes["project_out"] == (512, 1024)
    assert shapes["output"] == (50272, 512)


def test_names_are_found_in_any_case():
    assert find_model("BitNet_3B") is MODELS["bitnet-3b"]
    assert find_model("bitnet") is MODELS["bitnet-2b-4t"]
    with pytest.raises(EstimateError, match=r"not 'llama-3' \(did you mean llama-3-8b"):
        find_model("llama-3")


def test_the_shipped_file_tells_its_shape():
    shape = find_model(str(SHIPPED))
    assert {x.name: (x.n, x.k, x.count) for x in shape.linears()} == {
        "attn_qkv": (768, 256, 4),
        "attn_output": (256, 256, 4),
        "ffn_gate_up": (1024, 256, 4),
        "ffn_down": (256, 512, 4),
        "output": (1024, 256, 1),
    }
    assert shape.weights == WeightFormat(bits=2, ternary=True)


CONFIG = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 3,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1000,
}  # fmt: skip


def written(folder: Path, **changes: object) -> str:
    config = {k: v for k, v in {**CONFIG, **changes}.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder / "config.json")


def test_config_files(tmp_path: Path):
    shape = find_model(written(tmp_path))
    assert (shape.width, shape.hidden, shape.layers) == (512, 1408, 3)
    assert (shape.heads, shape.kv_heads, shape.head_width) == (8, 2, 64)
    assert shape.gated
    assert shape.weights == WeightFormat(bits=4, group_size=128)
    shape = find_model(written(tmp_path, quantization_config={"bits": 3, "group_size": -1}))
    assert shape.weights == WeightFormat(bits=3)
    shape = find_model(written(tmp_path, architectures=["BitnetForCausalLM"], head_dim=128))
    assert shape.weights.ternary
    assert shape.linears()[1].k == 1024
    shape = find_model(written(tmp_path, model_type="opt", ffn_dim=2048, intermediate_size=None,
                               num_key_value_heads=None, word_embed_proj_dim=256))  # fmt: skip
    assert not shape.gated
    assert (shape.hidden, shape.kv_heads, shape.embedding) == (2048, 8, 256)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"hidden_size": None}, "config.json must give hidden_size"),
        ({"vocab_size": "x"}, "vocab_size of config.json must be a positive integer, not 'x'"),
        ({"num_hidden_layers": -1}, "must be a positive integer, not -1"),
        ({"num_hidden_layers": 1 << 40}, "layers must be from 1 to"),
        ({"num_key_value_heads": 3}, "heads must be a multiple of kv_heads = 3, not 8"),
        ({"quantization_config": {"bits": 16}}, "bits must be from 1 to 8, not 16"),
    ],
)
def test_wrong_configs_are_named(tmp_path: Path, changes, text: str):
    with pytest.raises(EstimateError, match=text):
        find_model(written(tmp_path, **changes))


def test_other_files_are_named(tmp_path: Path):
    other = tmp_path / "weights.bin"
    for content in (b"\xff\xfe", b"[" * 10_000, b"[1, 2]", b"{", b" " * (2 << 20)):
        other.write_bytes(content)
        with pytest.raises(EstimateError, match=r"weights\.bin must"):
            find_model(str(other))
    other.write_bytes(SHIPPED.read_bytes()[:100])
    with pytest.raises(DamagedFileError):
        find_model(str(other))


def test_wrong_shapes_are_named():
    good = vars(MODELS["opt-125m"])
    with pytest.raises(EstimateError, match="width must be from 1 to 16777216, not 0"):
        ModelShape(**{**good, "width": 0})
    with pytest.raises(EstimateError, match="bits must be 2 for ternary weights, not 3"):
        WeightFormat(bits=3, ternary=True)
    with pytest.raises(EstimateError, match="group_size must be at least 1, not 0"):
        WeightFormat(bits=3, group_size=0)
    assert str(WeightFormat(bits=3, group_size=64)) == "int3, groups of 64"
