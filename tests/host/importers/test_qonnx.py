from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from lutra.host.importers import (
    DamagedFileError,
    ImportedTensor,
    UnsupportedTensorError,
    load_model,
)

from . import onnx_models as om


def quant_model(
    weights: np.ndarray,
    scale: np.ndarray,
    *,
    bits: float = 4,
    zero: float = 0,
    kind: str = "Quant",
    **attributes: object,
):
    """A weight behind a Quant or BipolarQuant node and a MatMul."""
    constants = [om.constant("w", weights), om.constant("s", scale)]
    inputs = ["w", "s"]
    if kind == "Quant":
        constants += [
            om.constant("z", np.array(zero, np.float32)),
            om.constant("b", np.array(bits, np.float32)),
        ]
        inputs += ["z", "b"]
        attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes
    nodes = [om.node(kind, inputs, "d", **attributes), om.node("MatMul", ["x", "d"], "y")]
    return om.model(nodes, constants, inputs={"x": "FLOAT"})


def imported(made, tmp_path: Path) -> ImportedTensor:
    tensor = load_model(om.save(made, tmp_path)).tensor("w")
    assert isinstance(tensor, ImportedTensor)
    return tensor


#: Rounding of one number, as the operator's document has it.
ROUNDINGS = {
    "ROUND": lambda v: float(round(v)),
    "CEIL": lambda v: float(np.ceil(v)),
    "FLOOR": lambda v: float(np.floor(v)),
    "UP": lambda v: float(np.ceil(v) if v > 0 else np.floor(v)),
    "DOWN": lambda v: float(int(v)),
    "HALF_UP": lambda v: float(np.sign(v) * int(abs(v) + 0.5)),
    "HALF_DOWN": lambda v: float(np.sign(v) * -int(-(abs(v) - 0.5) // 1)),
}


def golden(weights, scale, *, bits=4, zero=0.0, signed=1, narrow=0, rounding_mode="ROUND"):
    """The operator's definition, weight by weight."""
    half = 2 ** (bits - 1)
    low, high = (-half + narrow, half - 1) if signed else (0, 2 * half - 1 - narrow)
    result = np.empty_like(weights)
    scale = np.broadcast_to(scale, weights.shape)
    for at, weight in np.ndenumerate(weights):
        level = np.float32(weight / scale[at]) + np.float32(zero)
        level = ROUNDINGS[rounding_mode](float(min(max(level, low), high)))
        result[at] = np.float32(level - np.float32(zero)) * scale[at]
    return result


@pytest.mark.parametrize("rounding_mode", list(ROUNDINGS))
@pytest.mark.parametrize(("signed", "narrow"), [(1, 0), (1, 1), (0, 0), (0, 1)])
def test_quant(tmp_path: Path, rounding_mode: str, signed: int, narrow: int):
    rng = default_rng(1)
    weights = rng.normal(0, 0.4, (9, 5)).astype(np.float32)
    weights[0] = (0.125, -0.125, 0.375, -0.375, 9)  # halves of the scale
    scale = np.full((), 0.25, np.float32)
    settings = {"signed": signed, "narrow": narrow, "rounding_mode": rounding_mode}
    tensor = imported(quant_model(weights, scale, bits=3, **settings), tmp_path)
    assert (tensor.shape, tensor.bits, tensor.type) == ((5, 9), 3, "Quant")
    assert np.array_equal(tensor.dequantize(), golden(weights, scale, bits=3, **settings).T)


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
@pytest.mark.parametrize("zero", [0, 1, 0.5])
def test_scales_per_output_and_zero_points(tmp_path: Path, bits: int, zero: float):
    rng = default_rng(bits)
    weights = rng.normal(0, 1, (20, 6)).astype(np.float32)
    scale = rng.uniform(0.1, 0.9, (1, 6)).astype(np.float32)
    settings = {"bits": bits, "zero": zero, "signed": int(bits > 1)}
    made = quant_model(weights, scale, **settings)
    assert np.array_equal(
        imported(made, tmp_path).dequantize(), golden(weights, scale, **settings).T
    )


@pytest.mark.parametrize("settings", [
    {"kind": "BipolarQuant"}, {"kind": "Quant", "bits": 1, "signed": 1},
])  # fmt: skip
def test_bipolar(tmp_path: Path, settings: dict):
    rng = default_rng(9)
    weights = rng.normal(0, 1, (20, 6)).astype(np.float32)
    weights[0] = 0
    scale = np.full((), 0.7, np.float32)
    made = quant_model(weights, scale, **settings)
    want = np.where(weights >= 0, scale, -scale).T
    assert np.array_equal(imported(made, tmp_path).dequantize(), want)
    # One plane, exactly.
    matrix = load_model(om.save(made, tmp_path))["w"]
    assert (matrix.bits, len(matrix.planes)) == (1, 1)
    assert np.array_equal(matrix.dequantize(), want)


def test_wrong_nodes_are_named(tmp_path: Path):
    weights, scale = np.ones((4, 4), np.float32), np.ones((), np.float32)
    for change, message in (
        ({"bits": 9}, "bit width of tensor 'w' must be 1 to 8, not 9"),
        ({"bits": 2.5}, "must be 1 to 8, not 2.5"),
        ({"rounding_mode": "AWAY"}, "rounding mode of tensor 'w' .* not 'AWAY'"),
        ({"bits": 1, "zero": 1}, "zero point of tensor 'w' must be 0"),
    ):
        with pytest.raises(UnsupportedTensorError, match=message):
            load_model(om.save(quant_model(weights, scale, **change), tmp_path))["w"]
    weights[1, 2] = np.nan
    tensor = imported(quant_model(weights, scale), tmp_path)
    with pytest.raises(DamagedFileError, match="tensor 'w' must be finite"):
        tensor.dequantize()
