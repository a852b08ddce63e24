from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from lutra.host.importers import (
    ImportedTensor,
    load_model,
)

from . import onnx_models as om

#: Bits, and what kind of zero points; the operator takes no float ones with eight bits.
CASES = [(b, z) for b in (2, 4, 8) for z in ("none", "packed", "float") if (b, z) != (8, "float")]


def packed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes ``[..., k]`` in bytes, lowest first; the last byte is filled up with zeros."""
    per_byte = 8 // bits
    filled = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per_byte)])
    fields = filled.reshape(*filled.shape[:-1], -1, per_byte).astype(np.uint32)
    return (fields << bits * np.arange(per_byte, dtype=np.uint32)).sum(-1).astype(np.uint8)


def nbits_model(
    rng: Generator,
    *,
    n: int = 12,
    k: int = 70,
    bits: int = 4,
    block: int = 32,
    zeros: str = "packed",
    kind: type = np.float32,
    **attributes: int,
):
    blocks = -(-k // block)
    codes = rng.integers(0, 1 << bits, (n, blocks, block)).astype(np.uint8)
    scales = rng.normal(0, 0.1, (n, blocks)).astype(kind)
    constants = [om.constant("B", packed(codes, bits)), om.constant("scales", scales)]
    inputs = ["x", "B", "scales"]
    if zeros == "packed":
        points = rng.integers(0, 1 << bits, (n, blocks)).astype(np.uint8)
        constants.append(om.constant("zeros", packed(points, bits)))
    elif zeros == "float":
        constants.append(om.constant("zeros", rng.uniform(0, 1 << bits, (n, blocks)).astype(kind)))
    if zeros != "none":
        inputs.append("zeros")
    attributes = {"N": n, "K": k, "bits": bits, "block_size": block} | attributes
    node = om.node("MatMulNBits", inputs, "y", **attributes)
    name = {np.float32: "FLOAT", np.float16: "FLOAT16"}[kind]
    return om.model([node], constants, inputs={"x": name}, output_type=name)


def imported(made, tmp_path: Path) -> ImportedTensor:
    tensor = load_model(om.save(made, tmp_path)).tensor("B")
    assert isinstance(tensor, ImportedTensor)
    return tensor


@pytest.mark.parametrize(("bits", "zeros"), CASES)
@pytest.mark.parametrize(("k", "block"), [(64, 16), (70, 32), (256, 128), (40, 64)])
def test_equals_the_operator(tmp_path: Path, bits: int, zeros: str, k: int, block: int):
    made = nbits_model(default_rng(bits), k=k, bits=bits, block=block, zeros=zeros)
    tensor = imported(made, tmp_path)
    assert (tensor.shape, tensor.bits, tensor.type) == ((12, k), bits, "MatMulNBits")
    # The identity's product with the weights is the weights.
    want = om.run(made, x=np.eye(k, dtype=np.float32)).T
    assert np.array_equal(tensor.dequantize(), want)
    assert np.array_equal(tensor.dequantize(slice(3, 5)), want[3:5])
