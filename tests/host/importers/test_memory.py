"""Loading a layer takes at most four times its bytes in the file, whatever its type."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from numpy.random import Generator, default_rng
from safetensors.numpy import save_file

from lutra.host import load_model, quantize_rtn, quantize_ternary
from lutra.host.formats.composite import CompositeMatrix
from lutra.host.importers import Model

from . import onnx_models as om
from .samples import BLOCK_TYPES, gguf_blocks, write_gguf
from .test_onnx_nbits import nbits_model
from .test_qonnx import quant_model

N, K, GROUP = 512, 4096, 128
LIMIT = 4

Made = tuple[Path, str]
Make = Callable[[Path, Generator], Made]


def gguf_layer(kind: Kind, folder: Path, rng: Generator) -> Made:
    return write_gguf(folder / "t.gguf", {"w": (gguf_blocks(rng, kind, N, K), kind)}), "w"


def words(rng: Generator, *shape: int) -> np.ndarray:
    return rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32)


def gptq_layer(bits: int, order: bool, folder: Path, rng: Generator) -> Made:
    index = np.arange(K) // GROUP
    arrays = {
        "l.qweight": words(rng, K * bits // 32, N),
        "l.qzeros": words(rng, K // GROUP, N * bits // 32),
        "l.scales": rng.uniform(0.01, 0.02, (K // GROUP, N)).astype(np.float16),
        "l.g_idx": (rng.permutation(index) if order else index).astype(np.int32),
    }
    save_file(arrays, folder / "m.safetensors")
    return folder / "m.safetensors", "l.weight"


def awq_layer(folder: Path, rng: Generator) -> Made:
    arrays = {
        "l.qweight": words(rng, K, N // 8),
        "l.qzeros": words(rng, K // GROUP, N // 8),
        "l.scales": rng.uniform(0.01, 0.02, (K // GROUP, N)).astype(np.float16),
    }
    save_file(arrays, folder / "m.safetensors")
    return folder / "m.safetensors", "l.weight"


def bitnet_layer(folder: Path, rng: Generator) -> Made:
    fields = rng.integers(0, 3, (4, N // 4, K)).astype(np.uint8)
    packed = fields[0] | fields[1] << 2 | fields[2] << 4 | fields[3] << 6
    scale = np.array([37.3], ml_dtypes.bfloat16)
    save_file({"l.weight": packed, "l.weight_scale": scale}, folder / "m.safetensors")
    return folder / "m.safetensors", "l.weight"


def nbits_layer(bits: int, zeros: str, folder: Path, rng: Generator) -> Made:
    made = nbits_model(rng, n=N, k=K, bits=bits, block=32, zeros=zeros, kind=np.float16)
    return om.save(made, folder), "B"


def qdq_layer(kind: str, turned: bool, block: int, folder: Path, rng: Generator) -> Made:
    bits, signed = int(kind.lstrip("UINT")), kind.startswith("INT")
    shape, axis = ((N, K), 0) if turned else ((K, N), 1)
    groups = {"axis": 1 - axis, "block_size": block} if block else {"axis": axis}
    grid = (N,) if not block else (N, K // block) if turned else (K // block, N)
    low = -(1 << bits - 1) if signed else 0
    stored = np.int8 if signed else np.uint8
    codes, zeros = (rng.integers(low, low + (1 << bits), s).astype(stored) for s in (shape, grid))
    constants = [
        om.constant("w", codes, kind),
        om.constant("s", rng.uniform(0.01, 0.02, grid).astype(np.float16)),
        om.constant("z", zeros, kind),
    ]
    nodes = [om.node("DequantizeLinear", "wsz", "d", **groups)]
    nodes += [om.node("Transpose", "d", "t", perm=[1, 0])] if turned else []
    nodes += [om.node("MatMul", ["x", "t" if turned else "d"], "y")]
    return om.save(om.model(nodes, constants, inputs={"x": "FLOAT"}), folder), "w"


def integer_layer(folder: Path, rng: Generator) -> Made:
    weights = om.constant("w", rng.integers(-128, 128, (K, N)).astype(np.int8))
    node = om.node("MatMulInteger", "xw", "y")
    return om.save(om.model([node], [weights], inputs={"x": "INT8"}), folder), "w"


def qonnx_layer(kind: str, folder: Path, rng: Generator) -> Made:
    weights = rng.normal(0, 1, (K, N)).astype(np.float32)
    return om.save(quant_model(weights, np.array(0.3, np.float32), kind=kind), folder), "w"


def float_layer(kind: type, folder: Path, rng: Generator) -> Made:
    save_file({"w": rng.normal(0, 1, (N, K)).astype(kind)}, folder / "m.safetensors")
    return folder / "m.safetensors", "w"


def part(function: Callable[..., Made], *arguments: object) -> Make:
    return functools.partial(function, *arguments)


LAYERS: dict[str, Make] = {
    **{kind.name: part(gguf_layer, kind) for kind in BLOCK_TYPES},
    **{f"GPTQ {bits}": part(gptq_layer, bits, False) for bits in (2, 3, 4, 8)},
    "GPTQ 4 act-order": part(gptq_layer, 4, True),
    "AWQ": awq_layer,
    "BitNet": bitnet_layer,
    **{f"MatMulNBits {bits}": part(nbits_layer, bits, "packed") for bits in (2, 4, 8)},
    "MatMulNBits 2 float zeros": part(nbits_layer, 2, "float"),
    **{f"QDQ {kind}": part(qdq_layer, kind, False, 0) for kind in ("INT2", "UINT4", "INT8")},
    "QDQ INT2 turned": part(qdq_layer, "INT2", True, 0),
    "QDQ INT4 blocks": part(qdq_layer, "INT4", False, 32),
    "QDQ UINT4 blocks, turned": part(qdq_layer, "UINT4", True, 32),
    "MatMulInteger": integer_layer,
    "Quant": part(qonnx_layer, "Quant"),
    "BipolarQuant": part(qonnx_layer, "BipolarQuant"),
}
FLOATS = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
QUANTISERS = {
    "row": functools.partial(quantize_rtn, bits=4),
    "groups": functools.partial(quantize_rtn, bits=2, group_size=64, symmetric=False),
    "ternary": quantize_ternary,
}


def peak_of(model: Model, name: str) -> tuple[float, float]:
    """Most bytes while a tensor is loaded, and bytes of the result, over those in the file."""
    tracemalloc.start()
    try:
        matrix = model[name]
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert matrix.shape == (N, K)
    size = model.tensor(name).nbytes
    return peak / size, held / size


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Modules that NumPy imports when they are first needed are no part of any layer."""
    made = gguf_layer(Kind.Q4_1, tmp_path_factory.mktemp("warm"), default_rng(0))
    assert isinstance(load_model(made[0])[made[1]], CompositeMatrix)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_at_most_four_times_its_bytes(tmp_path: Path, name: str) -> None:
    path, tensor = LAYERS[name](tmp_path, default_rng(1))
    peak, held = peak_of(load_model(path), tensor)
    assert held <= peak <= LIMIT


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("how", QUANTISERS)
def test_so_does_a_float_layer_that_is_quantised(tmp_path: Path, kind: str, how: str) -> None:
    path, tensor = float_layer(FLOATS[kind], tmp_path, default_rng(2))
    peak, held = peak_of(load_model(path, quantise=QUANTISERS[how]), tensor)
    assert held <= peak <= LIMIT
