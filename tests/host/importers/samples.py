"""Small sound files of every format, to be damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.random import Generator, default_rng
from onnx import ModelProto
from safetensors.numpy import save

from lutra.hw.isa import Buffer, Engine, Opcode
from lutra.hw.program import encode_columns, pack_planes

from . import onnx_models as om
from .test_awq import layer as awq_layer
from .test_bitnet import packed as bitnet_packed
from .test_gptq import layer as gptq_layer
from .test_onnx_nbits import nbits_model
from .test_qonnx import quant_model

#: Offsets of half-precision scales in a block, of the types that the package cannot quantise.
SCALES = {
    Kind.Q2_K: (80, 82), Kind.Q3_K: (108,), Kind.Q4_K: (0, 2), Kind.Q5_K: (0, 2), Kind.Q6_K: (208,),
}  # fmt: skip
BLOCK_TYPES = (
    Kind.TQ1_0, Kind.TQ2_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0, *SCALES,
)  # fmt: skip


def gguf_blocks(rng: Generator, kind: Kind, n: int, k: int) -> np.ndarray:
    """Blocks of `n` rows of `k` weights: made by the package if it can, else codes at random."""
    if kind in (Kind.TQ1_0, Kind.TQ2_0):
        # One scale for all, as in the models that use them.
        ternary = rng.integers(-1, 2, (n, k)).astype(np.float32)
        return gguf.quants.quantize(ternary * np.float32(0.02), kind)
    if kind not in SCALES:
        return gguf.quants.quantize(rng.normal(0, 0.02, (n, k)).astype(np.float32), kind)
    inputs, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (n, k // inputs * size), dtype=np.uint8)
    blocks = raw.reshape(-1, size)
    for at in SCALES[kind]:
        scales = rng.uniform(5e-4, 1.5e-3, len(blocks)).astype(np.float16)
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return raw


def write_gguf(path: Path, tensors: dict[str, tuple[np.ndarray, Kind]], **keys: object) -> Path:
    """A GGUF file by the format's own writer."""
    writer = gguf.GGUFWriter(path, "test")
    for key, value in keys.items():
        if isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value))
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _gguf_files(rng: Generator, folder: Path) -> list[bytes]:
    floats = rng.normal(0, 1, (3, 4)).astype(np.float32)
    plain = {
        "f32": (floats, Kind.F32),
        "f16": (floats.astype(np.float16), Kind.F16),
        "bf16": (gguf.quants.quantize(floats, Kind.BF16), Kind.BF16),
    }
    files = [write_gguf(folder / "plain.gguf", plain, note="a", tokens=["a", "bc"], ids=[1, 2, 3])]
    for first in range(0, len(BLOCK_TYPES), 3):
        tensors = {
            kind.name: (gguf_blocks(rng, kind, 2, 256), kind)
            for kind in BLOCK_TYPES[first : first + 3]
        }
        files.append(write_gguf(folder / f"{first}.gguf", tensors, alpha=0.5, beta=7))
    return [path.read_bytes() for path in files]


def array_sets() -> list[dict[str, np.ndarray]]:
    """What the safetensors files hold."""
    ternary = default_rng(1).integers(-1, 2, (8, 12))
    return [
        gptq_layer(4, 32, order=True)[0],
        gptq_layer(3, 96)[0],
        awq_layer(n=16, k=32)[0],
        {"a.weight": bitnet_packed(ternary), "a.weight_scale": np.ones(1, np.float32)},
        {"b": np.ones((3, 4), np.float16), "c": np.zeros(5, np.int64)},
    ]


def _onnx_files(rng: Generator) -> list[ModelProto]:
    weights = rng.normal(0, 1, (8, 6)).astype(np.float32)
    scale = np.full((), 0.3, np.float32)
    integers = rng.integers(-8, 8, (8, 6)).astype(np.int8)
    qdq = om.model(
        [om.node("DequantizeLinear", ["w", "s", "z"], "d", axis=1), om.node("MatMul", "xd", "y")],
        [
            om.constant("w", integers, "INT4"),
            om.constant("s", np.ones(6, np.float32)),
            om.constant("z", np.zeros(6, np.int8), "INT4"),
        ],
        inputs={"x": "FLOAT"},
    )
    whole = om.model(
        [om.node("MatMulInteger", "xw", "y"), om.node("MatMul", "xf", "v")],
        [om.constant("w", integers), om.constant("f", weights)],
        inputs={"x": "INT8"},
    )
    return [
        nbits_model(rng, n=3, k=40, bits=4, block=16),
        nbits_model(rng, n=3, k=32, bits=2, block=32, zeros="float"),
        qdq,
        whole,
        quant_model(weights, scale),
        quant_model(weights, scale, kind="BipolarQuant"),
    ]


def programs() -> list[bytes]:
    """A sound program for the array of `tests.sim.test_functional`."""
    give = 1 << Engine.COMPUTE
    columns = [
        (Opcode.LOAD, {"buffer": int(Buffer.ACT), "rows": 4, "signal": give}),
        (Opcode.LOAD, {"buffer": int(Buffer.WEIGHT), "rows": 8, "address": 256, "signal": give}),
        (Opcode.PLANES, {"count": 2, "halve": 1, "coefficient": -1, "act_planes": 1,
                         "planes": pack_planes([(0, False), (1, False)])}),
        (Opcode.LMMA, {"k_blocks": 2, "n_blocks": 2, "rows": 1, "clear": 1,
                       "wait": 1 << Engine.LOAD, "signal": 1 << Engine.STORE}),
        (Opcode.STORE, {"words": 2, "address": 1024, "wait": give}),
        (Opcode.END, {}),
    ]  # fmt: skip
    words = [
        encode_columns(opcode, {k: np.array([v], np.int64) for k, v in fields.items()})
        for opcode, fields in columns
    ]
    return [np.concatenate(words).tobytes()]


def samples(kind: str) -> list[bytes]:
    """Sound files of one kind: ``gguf``, ``safetensors``, ``onnx`` or ``program``."""
    rng = default_rng(0)
    if kind == "gguf":
        with tempfile.TemporaryDirectory() as folder:
            return _gguf_files(rng, Path(folder))
    if kind == "safetensors":
        return [save(arrays, {"note": "x"}) for arrays in array_sets()]
    if kind == "onnx":
        return [made.SerializeToString() for made in _onnx_files(rng)]
    return programs()
