import gc

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.errors import (
    ConfigMismatchError,
    CycleLimitError,
    DeviceError,
    DtypeError,
    LutraError,
    OutOfDeviceMemoryError,
    RangeError,
    ShapeError,
    UnsupportedFormatError,
)
from lutra.host.program_builder import ProgramBuilder
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config
from lutra.hw.isa import Buffer, ErrorCode
from lutra.hw.registers import COUNTERS, Control, Register, Status
from lutra.sim.functional import FunctionalDevice

from ..products import SHAPES, check_product, random_product

RNG = np.random.default_rng(0)


def matrix(n: int, k: int, bits: int = 2, **options) -> QuantizedMatrix:
    codes = RNG.integers(0, 1 << bits, (n, k), dtype=np.uint8)
    return QuantizedMatrix.from_codes(codes, bits, **options)


@pytest.fixture
def device():
    with Accelerator.open("golden", config="tiny") as accelerator:
        yield accelerator


@pytest.mark.parametrize("name", SHAPES)
def test_random_products(name: str):
    """Hundreds of products, on every array shape, against the plain integer product."""
    config = SHAPES[name]
    rng = np.random.default_rng(11)
    with Accelerator.open("golden", config=config) as device:
        most = 700 if config.weight_depth > 256 else 250  # tiny buffers make long programs
        for _ in range(30):
            check_product(device, random_product(rng, config, most=most))


def test_row_scales_give_float32(device: Accelerator):
    scales = RNG.normal(size=20).astype(np.float32)
    weights = matrix(20, 30, row_scales=scales)
    x = RNG.integers(-128, 128, (3, 30)).astype(np.int8)
    y = device.matmul(x, device.load(weights))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, (x @ weights.integers().T).astype(np.float32) * scales)


def test_many_rows_run_as_several_programs(device: Accelerator):
    weights = matrix(9, 20)
    x = RNG.integers(-128, 128, (2100, 20)).astype(np.int16)
    loaded = device.load(weights)
    np.testing.assert_array_equal(device.matmul(x, loaded), x @ weights.integers().T)
    all_rows = device.counters
    device.matmul(x[:1024], loaded)
    assert all_rows["array_busy"] > 2 * device.counters["array_busy"]


def test_act_bits_of_a_bitserial_device():
    config = SHAPES["serial"]
    with Accelerator.open("golden", config=config) as device:
        weights = matrix(9, 20)
        loaded = device.load(weights)
        x = RNG.integers(-2, 2, (3, 20))
        busy = {}
        for bits in (2, 8):
            y = device.matmul(x, loaded, act_bits=bits)
            np.testing.assert_array_equal(y, x @ weights.integers().T)
            busy[bits] = device.counters["array_busy"]
        assert busy[8] == 4 * busy[2]
        with pytest.raises(RangeError, match=r"x must be from -2 to 1 \(2 bits\)"):
            device.matmul(x + 1, loaded, act_bits=2)
        with pytest.raises(RangeError, match="act_bits must be from 1 to 8, not 9"):
            device.matmul(x, loaded, act_bits=9)
        with pytest.raises(DtypeError, match="act_bits must be an int"):
            device.matmul(x, loaded, act_bits=2.0)  # pyright: ignore[reportArgumentType]


def test_exponents_shift_blocks():
    config = Config(lanes=8, tables=2, axi_bits=64, act_exponent_bits=2, rows=2)
    weights = matrix(9, 30)
    x = RNG.integers(-128, 128, (3, 30)).astype(np.int8)
    with Accelerator.open("golden", config=config) as device:
        loaded = device.load(weights)
        exponents = RNG.integers(0, 4, (3, loaded.layout.k_blocks))
        y = device.matmul(x, loaded, exponents=exponents)
        per_input = np.repeat(exponents, config.k_block, 1)[:, :30]
        np.testing.assert_array_equal(y, (x.astype(int) << per_input) @ weights.integers().T)
        np.testing.assert_array_equal(device.matmul(x, loaded), x @ weights.integers().T)
        with pytest.raises(RangeError, match="exponents must be from 0 to 3, not 4"):
            device.matmul(x, loaded, exponents=exponents + 4 - exponents.max())
        with pytest.raises(ShapeError, match="exponents must have shape"):
            device.matmul(x, loaded, exponents=exponents[:2])
        with pytest.raises(DtypeError, match="exponents must be an integer array"):
            device.matmul(x, loaded, exponents=exponents / 2)


def test_wrong_activations_are_named(device: Accelerator):
    loaded = device.load(matrix(4, 10))
    good = np.zeros((2, 10), np.int8)
    with pytest.raises(DtypeError, match=r"not float32; quantise activations first"):
        device.matmul(good.astype(np.float32), loaded)
    with pytest.raises(TypeError, match="not list"):
        device.matmul([[0] * 10], loaded)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ShapeError, match=r"\[M, 10\], M at least 1, not \(2, 9\)"):
        device.matmul(good[:, :9], loaded)
    with pytest.raises(ShapeError, match=r"not \(0, 10\)"):
        device.matmul(good[:0], loaded)
    with pytest.raises(ShapeError, match=r"not \(10,\)"):
        device.matmul(good[0], loaded)
    for value in (128, -129):
        wide = good.astype(np.int32)
        wide[1, 3] = value
        with pytest.raises(RangeError, match=rf"from -128 to 127 \(8 bits\), not {value}"):
            device.matmul(wide, loaded)
    with pytest.raises(RangeError, match="not 255"):
        device.matmul(np.full((1, 10), 255, np.uint8), loaded)
    with pytest.raises(UnsupportedFormatError, match="has no exponents"):
        device.matmul(good, loaded, exponents=np.zeros((2, 2), int))
    assert device.matmul(good, loaded).sum() == 0


def test_weights_belong_to_their_device(device: Accelerator):
    x = np.zeros((1, 10), np.int8)
    loaded = device.load(matrix(4, 10))
    with Accelerator.open("golden", config="tiny") as other:
        with pytest.raises(LutraError, match="from load"):
            other.matmul(x, loaded)
        with pytest.raises(LutraError, match="from load"):
            other.matmul(x, matrix(4, 10))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"not ndarray; lutra\.host\.quantize"):
        device.load(np.zeros((4, 10)))  # pyright: ignore[reportArgumentType]
    loaded.free()
    loaded.free()
    with pytest.raises(LutraError, match="were freed"):
        device.matmul(x, loaded)


def test_memory_comes_back(device: Accelerator):
    weights, x = matrix(30, 40, zero_points=np.arange(30)[:, None] % 4), np.ones((3, 40), np.int8)
    device.matmul(x, device.load(weights))
    gc.collect()
    before = device.memory.available
    for _ in range(3):
        device.matmul(x, device.load(weights))
    gc.collect()
    assert device.memory.available == before


def test_full_memory_is_an_error_and_harmless():
    with Accelerator.open("golden", config="tiny", memory_bytes=1 << 16) as device:
        small = device.load(matrix(40, 40))
        with pytest.raises(OutOfDeviceMemoryError):
            device.load(matrix(1000, 1000))
        x = np.ones((2, 40), np.int8)
        assert device.matmul(x, small).shape == (2, 40)


def test_larger_products_move_the_shared_areas(device: Accelerator):
    first, second = matrix(8, 16), matrix(300, 200)
    small, x = device.load(first), RNG.integers(-128, 128, (1, 16)).astype(np.int8)
    expected = x @ first.integers().T
    np.testing.assert_array_equal(device.matmul(x, small), expected)
    big = RNG.integers(-128, 128, (9, 200))
    large = device.load(second)
    np.testing.assert_array_equal(device.matmul(big, large), big @ second.integers().T)
    np.testing.assert_array_equal(device.matmul(x, small), expected)


class _Wrong(FunctionalDevice):
    """A device whose registers read as something else."""

    wrong: dict[Register, int]

    def read_register(self, offset: int) -> int:
        return self.wrong.get(Register(offset), super().read_register(offset))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({Register.MAGIC: 0xFFFFFFFF}, "no Lutra device answers: magic is 0xffffffff"),
        ({Register.ISA_VERSION: 99}, "instruction set 99, this host"),
        ({Register.CONFIG_HASH_LO: 5}, "was generated from configuration"),
        ({Register.CONFIG_HASH_HI: 5}, "was generated from configuration"),
    ],
)
def test_foreign_devices_are_refused(wrong: dict[Register, int], text: str):
    transport = _Wrong(SHAPES["odd"])
    transport.wrong = wrong
    with pytest.raises(ConfigMismatchError, match=text):
        Accelerator(transport, config=SHAPES["odd"])


def test_a_device_of_another_configuration_is_refused():
    with pytest.raises(ConfigMismatchError, match="not from 'tiny'"):
        Accelerator(FunctionalDevice(SHAPES["odd"]), config="tiny")


def test_unknown_devices_are_named():
    with pytest.raises(LutraError, match=r"device must be one of .*'golden'.*not 'gold'"):
        Accelerator.open("gold")


def test_a_stopped_program_leaves_a_working_device(device: Accelerator):
    builder = ProgramBuilder()
    builder.load(Buffer.ACT, 63, 2, 0, after_lmma=-1)
    with pytest.raises(DeviceError, match="BUFFER_RANGE at") as caught:
        device.run(builder.encode())
    assert caught.value.code is ErrorCode.BUFFER_RANGE
    weights, x = matrix(5, 6), np.ones((1, 6), np.int8)
    y = device.matmul(x, device.load(weights))
    np.testing.assert_array_equal(y, x @ weights.integers().T)


class _Stuck(FunctionalDevice):
    """A device that does not end its first program."""

    busy = False
    hang = True

    def write_register(self, offset: int, value: int) -> None:
        if offset == Register.CONTROL and value & Control.START and self.hang:
            self.busy, self.hang = True, False
            return
        if offset == Register.CONTROL and value & Control.RESET:
            self.busy = False
        super().write_register(offset, value)

    def wait(self, limit: int | None = None) -> bool:
        return not self.busy


def test_the_cycle_limit_leaves_a_working_device():
    weights, x = matrix(5, 6), np.ones((1, 6), np.int8)
    with Accelerator(_Stuck(SHAPES["odd"]), config=SHAPES["odd"], cycle_limit=7) as device:
        loaded = device.load(weights)
        with pytest.raises(CycleLimitError, match="within 7 cycles"):
            device.matmul(x, loaded)
        np.testing.assert_array_equal(device.matmul(x, loaded), x @ weights.integers().T)


def test_counters_are_those_of_the_last_product(device: Accelerator):
    assert device.counters == dict.fromkeys(COUNTERS, 0)
    weights = matrix(8, 16)
    loaded = device.load(weights)
    device.matmul(np.ones((1, 16), np.int8), loaded)
    counters = device.counters
    assert counters["array_busy"] == 2 * 2 * 2  # K blocks, output blocks, planes
    assert counters["cycles"] > counters["array_busy"]
    status = device.transport.read_register(Register.STATUS)
    assert status == Status.DONE
