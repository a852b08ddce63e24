"""Matrices that grow: exact at every length, and packed only where they grew."""

import gc

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.errors import (
    DtypeError,
    LutraError,
    OutOfDeviceMemoryError,
    RangeError,
    ShapeError,
)
from lutra.host.growing_matrix import GrowingMatrix
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.packing import pack_weights
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.shape_layout import layout_of_shape
from lutra.hw.config import Config

from ..products import SHAPES

RNG = np.random.default_rng(2)


def codes_of(count: int, width: int, bits: int) -> np.ndarray:
    return RNG.integers(0, 1 << bits, (count, width), dtype=np.uint8)


def expected(x: np.ndarray, codes: np.ndarray, bits: int, axis: str) -> np.ndarray:
    weights = codes.astype(np.int64) - (1 << bits - 1)
    return x @ (weights.T if axis == "outputs" else weights)


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
@pytest.mark.parametrize("name", SHAPES)
def test_products_are_exact_at_every_length(name: str, axis):
    config = SHAPES[name]
    bits = min(4, config.max_weight_bits)
    top = 1 << config.act_bits - 1
    with Accelerator.open("golden", config=config) as device:
        matrix = GrowingMatrix(device, 37, bits=bits, axis=axis, capacity=8)
        codes = np.zeros((0, 37), np.uint8)
        for count in (1, 1, 3, 40, 1, 17):
            new = codes_of(count, 37, bits)
            codes = np.concatenate((codes, new))
            matrix.append(new)
            np.testing.assert_array_equal(matrix.codes, codes)
            x = RNG.integers(-top, top, (3, 37 if axis == "outputs" else len(codes)))
            y = device.matmul(x, matrix)
            np.testing.assert_array_equal(y, expected(x, codes, bits, axis))


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
@pytest.mark.parametrize("bits", [2, 4])
def test_products_on_the_hardware(bits: int, axis):
    with Accelerator.open("sim", config="w2a8") as device:
        matrix = GrowingMatrix(device, 64, bits=bits, axis=axis, capacity=32)
        for count in (20, 1, 30, 1):
            matrix.append(codes_of(count, 64, bits))
            x = RNG.integers(-128, 128, (2, 64 if axis == "outputs" else matrix.length))
            y = device.matmul(x, matrix)
            np.testing.assert_array_equal(y, expected(x, matrix.codes, bits, axis))


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
def test_sums_that_leave_the_range_are_cut(axis):
    """No codes and activations overflow, however long the matrix becomes."""
    config = Config(scale_bits=0, psum_bits=20, max_weight_bits=4, axi_bits=128, tables=4)
    with Accelerator.open("golden", config=config) as device:
        matrix = GrowingMatrix(device, 16, bits=4, axis=axis)
        matrix.append(np.zeros((2000, 16), np.uint8))
        x = np.full((1, 16 if axis == "outputs" else 2000), -128, np.int8)
        assert (device.matmul(x, matrix) == 8 * 128 * x.shape[1]).all()
        assert (len(matrix.layout.segments) > 1) == (axis == "inputs")


def test_an_append_sends_only_what_changed():
    class Counting(type(Accelerator.open("golden", config="w2a8").transport)):
        sent = 0

        def write_memory(self, address: int, data) -> None:
            self.sent += np.asarray(data).nbytes
            super().write_memory(address, data)

    for axis in ("outputs", "inputs"):
        transport = Counting(Config())
        device = Accelerator(transport, config=Config())
        matrix = GrowingMatrix(device, 64, bits=4, axis=axis, capacity=1024)
        matrix.append(codes_of(500, 64, 4))
        whole, transport.sent = transport.sent, 0
        matrix.append(codes_of(1, 64, 4))
        assert transport.sent <= whole / 15
        assert transport.sent > 0


def test_programs_are_kept_within_a_block():
    with Accelerator.open("golden", config="w2a8") as device:
        matrix = GrowingMatrix(device, 32, bits=2, axis="outputs")
        x = np.ones((1, 32), np.int8)
        programs = set()
        for _ in range(16):
            matrix.append(codes_of(1, 32, 2))
            assert device.matmul(x, matrix).shape == (1, matrix.length)
            programs |= set(matrix.programs.values())
        assert len(programs) == 1


def test_memory_comes_back():
    with Accelerator.open("golden", config="tiny", memory_bytes=1 << 18) as device:
        x = np.ones((1, 40), np.int8)
        warm = GrowingMatrix(device, 40, bits=4, axis="outputs", capacity=1)
        warm.append(codes_of(90, 40, 4))
        device.matmul(x, warm)
        warm.free()
        before = device.memory.available
        for _ in range(3):
            matrix = GrowingMatrix(device, 40, bits=4, axis="outputs", capacity=1)
            for _ in range(9):
                matrix.append(codes_of(10, 40, 4))
                device.matmul(x, matrix)
            del matrix
            gc.collect()
            assert device.memory.available == before
        matrix = GrowingMatrix(device, 40, bits=4, axis="inputs")
        matrix.append(codes_of(3, 40, 4))
        with pytest.raises(OutOfDeviceMemoryError):
            matrix.append(codes_of(100_000, 40, 4))
        assert matrix.length == 3
        x = np.ones((1, 3), np.int8)
        np.testing.assert_array_equal(
            device.matmul(x, matrix), expected(x, matrix.codes, 4, "inputs")
        )


def test_wrong_use_is_named():
    with Accelerator.open("golden", config="tiny") as device:
        with pytest.raises(RangeError, match="axis must be"):
            GrowingMatrix(device, 4, bits=4, axis="rows")  # pyright: ignore[reportArgumentType]
        matrix = GrowingMatrix(device, 4, bits=2, axis="outputs")
        with pytest.raises(LutraError, match="no positions yet"):
            device.matmul(np.zeros((1, 4), np.int8), matrix)
        with pytest.raises(ShapeError, match=r"\[count, 4\], not \(1, 5\)"):
            matrix.append(np.zeros((1, 5), np.uint8))
        with pytest.raises(DtypeError, match="uint8 array, not int64"):
            matrix.append(np.zeros((1, 4), np.int64))
        with pytest.raises(RangeError, match="below 4, not 4"):
            matrix.append(np.full((1, 4), 4, np.uint8))
        matrix.append(np.zeros((0, 4), np.uint8))
        assert matrix.length == 0
        matrix.free()
        with pytest.raises(LutraError, match="freed"):
            matrix.append(np.zeros((1, 4), np.uint8))


@pytest.mark.parametrize("name", ["default", "odd", "trits", "mac3", "shiftadd4"])
@pytest.mark.parametrize("group", [None, 48])
def test_layouts_of_shapes_are_those_of_matrices(name: str, group: int | None):
    """A layout made of a shape alone describes the image of a matrix with all codes."""
    config = SHAPES[name]
    codes = codes_of(50, 130, 4)
    options = {}
    if group:
        options = {"group_size": group, "group_scales": RNG.integers(1, 200, (50, 3))}
    weights = QuantizedMatrix.from_codes(codes, 4, **options)
    real = MatrixLayout.of(weights, config)
    made = layout_of_shape(config, 50, 130, 4, group_size=group, any_codes=False)
    for field in ("n_blocks", "k_blocks", "planes", "group_blocks", "group_width", "grouped",
                  "weight_bytes", "group_bytes", "coefficient", "segments"):  # fmt: skip
        assert getattr(made, field) == getattr(real, field), field
    np.testing.assert_array_equal(pack_weights(weights, made), pack_weights(weights, real))
