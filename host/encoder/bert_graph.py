"""A BERT encoder checkpoint as an ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ..errors import LutraError

__all__ = ["BertError", "BertShape", "bert_graph"]

#: The first operator set with Gelu.
_OPSET = 20
#: What is added to the scores of tokens that are only padding.
_MASKED = -1e4


class BertError(LutraError, ValueError):
    """A checkpoint that is none of a BERT encoder of this form."""


@dataclass(frozen=True, kw_only=True)
class BertShape:
    """Extents of an encoder, by their names in config.json."""

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float

    @classmethod
    def read(cls, path: Path) -> BertShape:
        """Read config.json.

        Raises
        ------
        BertError
            It is of another kind of model.
        """
        try:
            entries = json.loads(path.read_text())
            shape = cls(**{name: entries[name] for name in cls.__dataclass_fields__})
            kind, activation = entries["model_type"], entries["hidden_act"]
        except (ValueError, KeyError, TypeError) as error:
            raise BertError(f"{path} does not describe a BERT encoder: {error!r}") from error
        if kind != "bert" or activation != "gelu":
            raise BertError(
                f"model_type and hidden_act must be 'bert' and 'gelu', not {kind!r} and "
                f"{activation!r}"
            )
        return shape


class _Graph:
    """Nodes as they are added, each by its operator."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: type = np.int64) -> str:
        self.initializers[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name

    def weight(self, name: str) -> str:
        if name not in self._weights:
            raise BertError(f"the checkpoint has no tensor {name!r}")
        return self.constant(name, self._weights[name], np.float32)

    def linear(self, x: str, name: str) -> str:
        """``x @ W.T + b``; W is stored ``[N, K]`` and multiplied as ``[K, N]``."""
        weight = f"{name}.weight"
        if weight not in self._weights:
            raise BertError(f"the checkpoint has no tensor {weight!r}")
        self.constant(weight, self._weights[weight].T, np.float32)
        product = self.add("MatMul", x, weight, name=f"{name}.product")
        return self.add("Add", product, self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str, eps: float) -> str:
        gain, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", x, gain, bias, axis=-1, epsilon=eps)


def bert_graph(shape: BertShape, weights: Mapping[str, np.ndarray]) -> ModelProto:
    """Encoder with mean pooling: ``input_ids, attention_mask [B, S]`` to ``embedding [B, D]``.

    Layers as in Devlin et al., *BERT*, NAACL 2019; the mean over the tokens that are not padding,
    divided by its norm, as in Reimers and Gurevych, *Sentence-BERT*, EMNLP 2019.

    Parameters
    ----------
    shape : BertShape
    weights : mapping of str to ndarray of floats
        Tensors of the checkpoint, by their usual names.

    Raises
    ------
    BertError
        A tensor is missing.
    """
    g = _Graph(weights)
    eps = shape.layer_norm_eps
    length = g.add(
        "Slice", g.add("Shape", "input_ids"), g.constant("one", [1]), g.constant("two", [2])
    )
    words = g.add("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids")
    positions = g.add("Slice", g.weight("embeddings.position_embeddings.weight"),
                      g.constant("zero", [0]), length)  # fmt: skip
    kind = g.add(
        "Gather", g.weight("embeddings.token_type_embeddings.weight"), g.constant("kind", 0)
    )
    x = g.add("Add", g.add("Add", words, positions), kind)
    x = g.norm(x, "embeddings.LayerNorm", eps)
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    away = g.add("Mul", g.add("Sub", g.constant("unity", 1, np.float32), mask),
                 g.constant("masked", _MASKED, np.float32))  # fmt: skip
    away = g.add("Unsqueeze", away, g.constant("middle", [1, 2]))
    for layer in range(shape.num_hidden_layers):
        name = f"encoder.layer.{layer}"
        attended = _attention(g, x, away, f"{name}.attention.self", shape)
        attended = g.linear(attended, f"{name}.attention.output.dense")
        x = g.norm(g.add("Add", attended, x), f"{name}.attention.output.LayerNorm", eps)
        inner = g.add("Gelu", g.linear(x, f"{name}.intermediate.dense"))
        x = g.norm(g.add("Add", g.linear(inner, f"{name}.output.dense"), x),
                   f"{name}.output.LayerNorm", eps)  # fmt: skip
    shares = g.add("Unsqueeze", mask, g.constant("last", [2]))
    total = g.add("ReduceSum", g.add("Mul", x, shares), g.constant("tokens", [1]), keepdims=0)
    g.add("LpNormalization", total, name="embedding", axis=-1, p=2)

    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
           for name in ("input_ids", "attention_mask")]  # fmt: skip
    out = helper.make_tensor_value_info(
        "embedding", TensorProto.FLOAT, ["batch", shape.hidden_size]
    )
    graph = helper.make_graph(g.nodes, "bert", ids, [out], list(g.initializers.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    onnx.checker.check_model(model)
    return model


def _attention(g: _Graph, x: str, away: str, name: str, shape: BertShape) -> str:
    """Softmax of ``Q K^T / sqrt(d)`` times V for every head, heads side by side again."""
    heads = shape.num_attention_heads
    split = g.constant("split", [0, 0, heads, shape.hidden_size // heads])
    parts = []
    for part, order in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3))):
        projected = g.add("Reshape", g.linear(x, f"{name}.{part}"), split)
        parts.append(g.add("Transpose", projected, perm=order))
    query, key, value = parts
    root = g.constant("root", (shape.hidden_size // heads) ** 0.5, np.float32)
    scores = g.add("Add", g.add("Div", g.add("MatMul", query, key), root), away)
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
    joined = g.constant("joined", [0, 0, shape.hidden_size])
    return g.add("Reshape", g.add("Transpose", mixed, perm=(0, 2, 1, 3)), joined)
