"""How near the embeddings of a device are to those of float32."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..accelerator import Accelerator
from ..graph.compiled import CompiledModel
from ..graph.onnx_session import open_session
from ..graph.runner import ModelRunner
from .sentences import SentenceEncoder

__all__ = ["Quality", "measure", "reference_embeddings"]


class Quality(NamedTuple):
    """Embeddings compared with float32, and what they cost.

    Attributes
    ----------
    cosine_mean, cosine_least : float
        Between the two embeddings of a sentence.
    correlation : float
        Pearson's, of the similarities of all pairs of sentences.
    worst : float
        What a similarity is off by at most.
    cycles : int
        Of all sentences.
    cycles_short, seconds_short : int, float
        Of 16 tokens: cycles of the device, seconds of everything.
    """

    cosine_mean: float
    cosine_least: float
    correlation: float
    worst: float
    cycles: int
    cycles_short: int
    seconds_short: float


class _Reference:
    """A graph in onnxruntime."""

    def __init__(self, graph: Path) -> None:
        self._session = open_session(graph.read_bytes())

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [output.name for output in self._session.get_outputs()]
        results = self._session.run(names, inputs)
        return {name: np.asarray(r) for name, r in zip(names, results, strict=True)}


def reference_embeddings(folder: Path, graph: Path, sentences: list[str]) -> np.ndarray:
    """Embeddings in float32, by onnxruntime."""
    return SentenceEncoder(folder, _Reference(graph)).encode(sentences)


def measure(
    model: CompiledModel,
    device: Accelerator,
    folder: Path,
    sentences: list[str],
    reference: np.ndarray,
) -> Quality:
    """Run `sentences` on a device, and a batch of 16 tokens.

    Parameters
    ----------
    model : CompiledModel
        Of `lutra.host.encoder.sentences.write_graph`.
    device : Accelerator
        Its memory not used yet.
    folder : Path
        With the tokeniser.
    sentences : list of str
    reference : ndarray
        Of `reference_embeddings`.
    """
    with ModelRunner(model, device) as runner:
        found = SentenceEncoder(folder, runner).encode(sentences)
        cycles = runner.counters["cycles"]
        ids = np.full((1, 16), 2000, np.int64)
        began = time.perf_counter()
        runner.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        seconds = time.perf_counter() - began
        short = runner.counters["cycles"] - cycles
    cosines = (found * reference).sum(1)
    pairs = np.triu_indices(len(sentences), 1)
    similar, wanted = (found @ found.T)[pairs], (reference @ reference.T)[pairs]
    return Quality(
        float(cosines.mean()),
        float(cosines.min()),
        float(np.corrcoef(similar, wanted)[0, 1]),
        float(np.abs(similar - wanted).max()),
        cycles,
        short,
        seconds,
    )
