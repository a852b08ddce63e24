"""The same model in onnxruntime alone, and how far two results are apart."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import GraphError, ModelInputError
from .onnx_session import open_session

__all__ = ["Agreement", "agreement", "compare"]


class Agreement(NamedTuple):
    """Two arrays compared.

    Attributes
    ----------
    cosine : float
        Of the angle between them, as vectors; of texts the share of equal ones.
    largest : float
        ``max |a - b| / max |b|``; of texts 0 where all are equal.
    """

    cosine: float
    largest: float


def agreement(a: np.ndarray, b: np.ndarray) -> Agreement:
    """How far `a` is from `b`, both of the same shape."""
    if b.dtype.kind in "OUST":
        same = float((a == b).mean()) if b.size else 1.0
        return Agreement(same, 0.0 if same == 1 else float("inf"))
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    norms = np.linalg.norm(x) * np.linalg.norm(y)
    largest = float(np.abs(y).max(initial=0.0))
    wrong = float(np.abs(x - y).max(initial=0.0))
    equal = wrong == 0
    return Agreement(
        1.0 if equal else float(x @ y / norms) if norms else 0.0,
        0.0 if equal else wrong / largest if largest else float("inf"),
    )


def compare(
    path: Path, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]
) -> dict[str, Agreement]:
    """Outputs against those of the ONNX file at `path` in onnxruntime.

    Raises
    ------
    GraphError
        It is not the model that the outputs are of.
    """
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    if set(names) != set(outputs):
        raise GraphError(f"{path} has outputs {sorted(names)}, not {sorted(outputs)}")
    try:
        results = session.run(names, inputs)
    except Exception as error:  # onnxruntime's own, which share no public base
        raise ModelInputError(f"{path} does not take these inputs: {error}") from error
    return {n: agreement(outputs[n], _array(r)) for n, r in zip(names, results, strict=True)}


def _array(result: object) -> np.ndarray:
    """An output as an array: of maps from class to number, a column for each class."""
    if isinstance(result, list):
        result = [list(row.values()) if isinstance(row, dict) else row for row in result]
    return np.asarray(result)
