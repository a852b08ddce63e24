"""A classifier of another's making: scikit-learn's perceptron, exported by skl2onnx.

The data are scikit-learn's own: 1,797 handwritten digits of 8 x 8 pixels (`load_digits`; Alpaydin
and Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998), of which a quarter is held out.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from ..accelerator import Accelerator
from ..errors import LutraError
from ..graph.compiled import CompiledModel
from ..graph.onnx_session import open_session
from ..graph.runner import ModelRunner

__all__ = ["Classified", "Digits", "classify", "export_classifier", "read_digits"]

_HELD_OUT = 450
_LABEL, _PROBABILITIES = "output_label", "output_probability"


class Digits(NamedTuple):
    """Pixels from 0 to 1, float32 ``[M, 64]``, and labels: to train with, and held out."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


class Classified(NamedTuple):
    """Held-out digits through a model.

    Attributes
    ----------
    labels : ndarray of int64, shape ``[M]``
    probabilities : ndarray of float32, shape ``[M, 10]``
    cycles : int
        Of the device; 0 where there is none.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    cycles: int = 0


def read_digits() -> Digits:
    """The digits, the held-out ones the last of a shuffled list.

    Raises
    ------
    LutraError
        scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise LutraError(
            "the digits come with scikit-learn: pip install 'lutra[digits]'"
        ) from error
    found = load_digits(return_X_y=True)
    pixels, labels = (np.asarray(found[0]) / 16).astype(np.float32), np.asarray(found[1])
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:-_HELD_OUT], order[-_HELD_OUT:]
    return Digits(pixels[train], labels[train], pixels[test], labels[test])


def export_classifier(
    digits: Digits, path: Path, *, hidden: tuple[int, ...] = (128, 64), epochs: int = 60
) -> None:
    """Train ``MLPClassifier`` and have skl2onnx write it to `path`, as it does without options.

    Raises
    ------
    LutraError
        skl2onnx is not installed.
    """
    try:
        from skl2onnx import to_onnx
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier
    except ImportError as error:
        raise LutraError("the exporter is skl2onnx: pip install 'lutra[digits]'") from error
    model = MLPClassifier(hidden, max_iter=epochs, learning_rate_init=0.003, random_state=0)
    with warnings.catch_warnings():
        # A fixed number of epochs is the point.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(digits.train, digits.train_labels)
    exported = to_onnx(model, digits.train[:1])
    assert isinstance(exported, onnx.ModelProto)
    onnx.save(exported, path)


def classify(
    model: CompiledModel | Path, pixels: np.ndarray, device: Accelerator | None = None
) -> Classified:
    """Labels and probabilities of `pixels` by a compiled model on a device, or by onnxruntime.

    Parameters
    ----------
    model : CompiledModel or Path
        Of `export_classifier`, compiled or not.
    pixels : ndarray of float32, shape ``[M, 64]``
    device : Accelerator, optional
        Of a compiled model.
    """
    if isinstance(model, Path):
        labels, maps = open_session(model).run([_LABEL, _PROBABILITIES], {"X": pixels})
        rows = [list(row.values()) for row in maps]  # pyright: ignore[reportGeneralTypeIssues, reportOptionalIterable, reportAttributeAccessIssue]
        return Classified(np.asarray(labels), np.asarray(rows, np.float32))
    if device is None:
        raise LutraError("device must be given for a compiled model")
    with ModelRunner(model, device) as runner:
        found = runner.run({"X": pixels})
        return Classified(found[_LABEL], found[_PROBABILITIES], runner.counters["cycles"])
