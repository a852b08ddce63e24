from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from lutra.host.accelerator import Accelerator
from lutra.host.errors import RangeError
from lutra.host.formats.composite import CompositeMatrix
from lutra.host.formats.encoded import real_weights
from lutra.host.importers import (
    DamagedFileError,
    GroupedCodes,
    ImportedTensor,
    encode,
    load_model,
)
from lutra.host.quantized_matrix import QuantizedMatrix

from .samples import BLOCK_TYPES, gguf_blocks, write_gguf


def tensor_of(read: GroupedCodes, name: str = "w") -> ImportedTensor:
    """A tensor whose rows are those of `read`."""

    def rows(first: int, last: int) -> GroupedCodes:
        part = slice(first, last)
        return GroupedCodes(
            codes=read.codes[part],
            bits=read.bits,
            group_size=read.group_size,
            scales=read.scales[part],
            zeros=read.zeros if isinstance(read.zeros, float) else read.zeros[part],
            biases=None if read.biases is None else read.biases[part],
            columns=read.columns,
        )

    return ImportedTensor(
        name=name, type="test", shape=read.codes.shape, bits=read.bits,
        group_size=read.group_size, nbytes=read.codes.nbytes, read_rows=rows,
    )  # fmt: skip


@st.composite
def grouped(draw: st.DrawFn) -> GroupedCodes:
    """Any bits, groups, signs of scales, zero points and biases; also scales of zero."""
    rng = default_rng(draw(st.integers(0, 2**32)))
    n, k, bits = draw(st.integers(1, 6)), draw(st.integers(1, 90)), draw(st.integers(1, 8))
    size = draw(st.integers(1, 40))
    grid = n, -(-k // size)
    unit = np.float32(10.0 ** draw(st.integers(-6, 3)))
    scales = rng.normal(0, 1, grid).astype(np.float16) * unit
    scales = scales * rng.choice([0, 1, 1, 1, 0.01], grid)
    if draw(st.booleans()):
        scales = np.abs(scales)
    top = 1 << bits
    zeros = {
        "one": float(top // 2),
        "half": 0.5,
        "integers": rng.integers(0, top + 1, grid).astype(np.float32),
        "reals": rng.uniform(-1, top + 1, grid).astype(np.float32),
    }[draw(st.sampled_from(["one", "half", "integers", "reals"]))]
    biases = None
    if draw(st.booleans()):
        biases = (rng.normal(0, 3, grid) * np.abs(scales)).astype(np.float32)
    columns = rng.permutation(k) if draw(st.booleans()) else None
    return GroupedCodes(
        codes=rng.integers(0, top, (n, k)).astype(np.uint8), bits=bits, group_size=size,
        scales=scales.astype(np.float32), zeros=zeros, biases=biases, columns=columns,
    )  # fmt: skip


@settings(max_examples=300)
@given(grouped(), st.integers(1, 16))
def test_error_is_measured_and_bounded(read: GroupedCodes, scale_bits: int):
    tensor = tensor_of(read)
    found = encode(tensor, scale_bits=scale_bits)
    golden = tensor.dequantize().astype(np.float64)
    wrong = np.abs(real_weights(found.matrix) - golden)
    largest = np.abs(golden).max()
    if largest:
        assert found.max_error == pytest.approx(wrong.max() / largest, rel=1e-6, abs=1e-12)
        rms = np.sqrt((wrong**2).sum() / (golden**2).sum())
        assert found.rms_error == pytest.approx(rms, rel=1e-6, abs=1e-12)
    assert found.max_error <= found.bound * (1 + 1e-9)
    for part in getattr(found.matrix, "parts", ()):
        scales = part.matrix.group_scales
        assert scales is None or scales.max() < 1 << scale_bits


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=lambda kind: kind.name)
def test_exact_products(tmp_path, kind: Kind):
    """What is left is what float32 rounds in the file's own sum of two terms."""
    raw = gguf_blocks(default_rng(1), kind, 9, 512)
    path = write_gguf(tmp_path / "t.gguf", {"w": (raw, kind)})
    rounded = load_model(path).encode("w")
    exact = load_model(path, exact=True).encode("w")
    assert exact.max_error <= 2.0**-24
    assert exact.max_error <= exact.bound <= 2.0**-22
    assert rounded.max_error <= rounded.bound < 0.01
    assert isinstance(exact.matrix, CompositeMatrix) != (kind in (Kind.TQ1_0, Kind.TQ2_0))


def test_codes_and_whole_zero_points_survive():
    rng = default_rng(2)
    codes = rng.integers(0, 16, (5, 64)).astype(np.uint8)
    zeros = rng.integers(0, 16, (5, 2)).astype(np.float32)
    scales = np.array([[1, 3]] * 5, np.float32) / 64
    found = encode(tensor_of(GroupedCodes(
        codes=codes, bits=4, group_size=32, scales=scales, zeros=zeros)))  # fmt: skip
    assert isinstance(found.matrix, QuantizedMatrix)
    assert found.max_error == found.bound == 0
    assert np.array_equal(found.matrix.codes, codes)
    assert np.array_equal(found.matrix.zero_points, zeros)
    assert found.matrix.group_scales.tolist() == [[1, 3]] * 5


def test_biases_of_whole_steps_are_zero_points():
    rng = default_rng(3)
    scales = rng.uniform(0.01, 0.02, (6, 3)).astype(np.float32)
    zeros = rng.integers(0, 16, (6, 3))
    read = GroupedCodes(
        codes=rng.integers(0, 16, (6, 96)).astype(np.uint8), bits=4, group_size=32,
        scales=scales, zeros=0.0, biases=-(scales * zeros.astype(np.float32)),
    )  # fmt: skip
    found = encode(tensor_of(read))
    assert isinstance(found.matrix, QuantizedMatrix)
    assert np.array_equal(found.matrix.zero_points, zeros)
    assert found.max_error <= found.bound < 0.01


@pytest.mark.parametrize("kind", [Kind.Q4_0, Kind.Q4_1, Kind.Q2_K, Kind.TQ2_0])
@pytest.mark.parametrize("config", ["w2a8", "w1p58a8", "w2a8_mac"])
def test_products_on_the_functional_device(tmp_path, kind: Kind, config: str):
    raw = gguf_blocks(default_rng(4), kind, 20, 256)
    matrix = load_model(write_gguf(tmp_path / "t.gguf", {"w": (raw, kind)}))["w"]
    x = default_rng(5).integers(-128, 128, (3, 256)).astype(np.int8)
    want = x.astype(np.float64) @ real_weights(matrix).T
    with Accelerator.open("golden", config=config) as device:
        if isinstance(matrix, CompositeMatrix):
            loaded = matrix.load(device)
            got = loaded.matmul(x)
        else:
            got = device.matmul(x, device.load(matrix))
    assert np.allclose(got, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())


def test_nonsense_is_named():
    codes = np.zeros((2, 8), np.uint8)
    ones = np.ones((2, 1), np.float32)
    for scale, message in ((np.nan, "scales of tensor 'w' must be finite"),
                           (np.float32(3e38), "weights of tensor 'w' must be finite")):  # fmt: skip
        read = GroupedCodes(codes=codes, bits=4, group_size=8, scales=ones * scale, zeros=8.0)
        with pytest.raises(DamagedFileError, match=message):
            encode(tensor_of(read))
    wide = np.array([[1, 2.0**-40]] * 2, np.float32)
    read = GroupedCodes(codes=codes, bits=4, group_size=4, scales=wide, zeros=7.0)
    with pytest.raises(RangeError, match="row 0 of tensor 'w' must span at most 32 bits"):
        encode(tensor_of(read), exact=True)
    with pytest.raises(RangeError, match="scale_bits must be from 1 to 16, not 0"):
        encode(tensor_of(read), scale_bits=0)
