import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.errors import DeviceError
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config
from lutra.hw.isa import Buffer, Engine, ErrorCode, Opcode
from lutra.hw.program import encode_columns, pack_planes
from lutra.hw.requantise import requantise
from lutra.sim.functional import FunctionalDevice
from lutra.sim.golden_tables import golden_tables

LOAD, COMPUTE, STORE = (1 << engine for engine in Engine)
MEMORY = 1 << 16
CONFIG = Config(lanes=4, tables=2, axi_bits=32, act_depth=32, weight_depth=16, scale_depth=16,
                psum_depth=16, addr_bits=20)  # fmt: skip


def program(*instructions: tuple[Opcode, dict]) -> np.ndarray:
    rows = []
    for opcode, fields in instructions:
        columns = {name: np.array([value], np.uint64 if name == "planes" else np.int64)
                   for name, value in fields.items()}  # fmt: skip
        rows.append(encode_columns(opcode, columns))
    return np.concatenate(rows)


def load(buffer: int = 0, row: int = 0, rows: int = 1, address: int = 0, **more: int):
    return Opcode.LOAD, {"buffer": buffer, "row": row, "rows": rows, "address": address, **more}


def planes(shifts: list[int], *, count: int | None = None, act_planes: int = 1, **more: int):
    packed = pack_planes([(shift, False) for shift in shifts])
    count = len(shifts) if count is None else count
    return Opcode.PLANES, {"count": count, "act_planes": act_planes, "planes": packed, **more}


def lmma(**fields: int):
    sizes = {"k_blocks": 1, "n_blocks": 1, "rows": 1, "clear": 1}
    return Opcode.LMMA, {**sizes, **fields}


def store(psum_base: int = 0, words: int = 1, address: int = 0, **more: int):
    return Opcode.STORE, {"psum_base": psum_base, "words": words, "address": address, **more}


END = (Opcode.END, {})


@pytest.fixture
def device():
    with Accelerator.open("golden", config=CONFIG, memory_bytes=MEMORY) as accelerator:
        yield accelerator


#: What is wrong with a program, its error, and the instruction or memory address it points at.
ILLEGAL = {
    "opcode": ([(Opcode.END, {"wait": 0}), END], None, 0),
    "load buffer": ([load(buffer=3), END], ErrorCode.ILLEGAL_FIELD, 0),
    "load nothing": ([load(rows=0), END], ErrorCode.ILLEGAL_FIELD, 0),
    "load to itself": ([load(signal=LOAD), END], ErrorCode.ILLEGAL_FIELD, 0),
    "load beyond": ([load(row=31, rows=2), END], ErrorCode.BUFFER_RANGE, 0),
    "load weights beyond": ([load(buffer=1, rows=17), END], ErrorCode.BUFFER_RANGE, 0),
    "load unaligned": ([load(address=2), END], ErrorCode.ADDRESS, 0),
    "load beyond addresses": ([load(rows=2, address=(1 << 20) - 8), END], ErrorCode.ADDRESS, 0),
    "load beyond memory": (
        [load(rows=32, address=MEMORY - 16), END], ErrorCode.READ_RESPONSE, ("at", MEMORY)),
    "no planes": ([planes([0], count=0), END], ErrorCode.ILLEGAL_PLANES, 0),
    "many planes": ([planes([0] * 16, count=17), END], ErrorCode.ILLEGAL_PLANES, 0),
    "large planes": ([planes([0] + [1] * 8), END], ErrorCode.ILLEGAL_PLANES, 0),
    "far planes": ([planes([0, 4]), END], ErrorCode.ILLEGAL_PLANES, 0),
    "coefficient": ([planes([0], coefficient=-257), END], ErrorCode.ILLEGAL_PLANES, 0),
    "act planes": ([planes([0], act_planes=2), END], ErrorCode.ILLEGAL_PLANES, 0),
    "no act planes": ([planes([0], act_planes=0), END], ErrorCode.ILLEGAL_PLANES, 0),
    "lmma first": ([lmma(), END], ErrorCode.ILLEGAL_PLANES, 0),
    "no rows": ([planes([0]), lmma(rows=0), END], ErrorCode.ILLEGAL_FIELD, 1),
    "act beyond": ([planes([0]), lmma(act_base=31, k_blocks=2), END], ErrorCode.BUFFER_RANGE, 1),
    "rows beyond": (
        [planes([0]), lmma(rows=3, act_stride=16), END], ErrorCode.BUFFER_RANGE, 1),
    "psum beyond": ([planes([0]), lmma(psum_base=15, n_blocks=2), END], ErrorCode.BUFFER_RANGE, 1),
    "scale beyond": ([planes([0]), lmma(scale_base=16, group=1), END], ErrorCode.BUFFER_RANGE, 1),
    "store nothing": ([store(words=0), END], ErrorCode.ILLEGAL_FIELD, 0),
    "store beyond": ([store(psum_base=15, words=2), END], ErrorCode.BUFFER_RANGE, 0),
    "store unaligned": ([store(address=1), END], ErrorCode.ADDRESS, 0),
    "store beyond memory": (
        [store(words=16, address=MEMORY - 64), END], ErrorCode.WRITE_RESPONSE, ("at", MEMORY)),
    "end with token": ([(Opcode.END, {"wait": 1})], ErrorCode.ILLEGAL_FIELD, 0),
    "no end": ([load(), load()], ErrorCode.NO_END, 2),
    "deadlock": ([load(wait=COMPUTE), END], ErrorCode.DEADLOCK, ("at", 0)),
    "deadlock behind a queue": (
        [*[load(wait=COMPUTE)] * 9, planes([0], signal=LOAD), END],
        ErrorCode.DEADLOCK, ("at", 0)),
    "too many tokens": (
        [*[load(signal=COMPUTE)] * 256, END], ErrorCode.TOKEN_OVERFLOW, ("at", 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_programs(device: Accelerator, name: str):
    instructions, code, where = ILLEGAL[name]
    words = program(*instructions)
    if name == "opcode":
        words[0, 0], code = 14, ErrorCode.ILLEGAL_OPCODE
    base = device.memory.allocate(0)
    device.memory.free(base)
    with pytest.raises(DeviceError) as caught:
        device.run(words)
    assert caught.value.code is code
    address = where[1] if isinstance(where, tuple) else base + 16 * where
    assert caught.value.address == address
    # The device is usable again.
    weights = QuantizedMatrix.from_codes(np.full((3, 5), 3, np.uint8), 2)
    assert (device.matmul(np.ones((1, 5), np.int8), device.load(weights)) == 5).all()


def test_tokens_may_come_from_further_down(device: Accelerator):
    """Not a legal program, but one whose queues do not block: the hardware runs it, too."""
    device.run(program(load(wait=COMPUTE), planes([0], signal=LOAD), END))


def test_psum_overflow_names_the_word():
    config = Config(lanes=4, tables=2, axi_bits=32, scale_bits=0, psum_bits=20, act_depth=16)
    with Accelerator.open("golden", config=config) as device:
        assert device.memory.allocate(1 << 21) == 0
        device.transport.write_memory(0, np.full((16, 8), 127, np.int8))
        builder = [
            load(rows=16),
            load(buffer=1, rows=1024, address=1 << 20),
            planes([0] + [1] * 7),
            lmma(psum_base=3, n_blocks=2, k_blocks=1, rows=1),
            *[lmma(psum_base=3, n_blocks=2, clear=0)] * 4,
            END,
        ]
        # Stored zeros are digits of one sign: every LMMA adds 255 * 8 * 127, up to 20 bits.
        with pytest.raises(DeviceError) as caught:
            device.run(program(*builder))
        assert caught.value.code is ErrorCode.PSUM_OVERFLOW
        assert caught.value.address == 3


def test_requantised_stores():
    """Words share beats; the rest of the last beat is left alone."""
    config = Config(lanes=4, tables=8, rows=1, axi_bits=128, act_bits=6)
    rng = np.random.default_rng(0)
    weights = QuantizedMatrix.from_codes(rng.integers(0, 4, (20, 64), dtype=np.uint8), 2)
    x = rng.integers(-32, 32, (1, 64)).astype(np.int8)
    with Accelerator.open("golden", config=config) as device:
        y = device.matmul(x, device.load(weights))[0]
        device.transport.write_memory(1 << 20, np.full(64, 0xAA, np.uint8))
        squeezed = store(words=5, address=1 << 20, requantise=1, multiplier=300, shift=12)
        device.run(program(squeezed, END))
        found = device.transport.read_memory(1 << 20, 64)
    assert config.memory_word_bits(config.requant_word_bits) == 32
    expected = requantise(y, multiplier=300, shift=12, act_bits=6)
    np.testing.assert_array_equal(found[:20].view(np.int8), expected)
    assert len(np.unique(expected)) > 5
    assert (found[20:] == 0xAA).all()


@pytest.mark.parametrize(
    "config",
    [
        Config(lanes=8, tables=2, axi_bits=64, table_bits=7),
        Config(rows=2, lanes=8, tables=3, lookup_group=3, axi_bits=32, table_bits=5, act_bits=7),
        Config(pe="lut3", lanes=8, tables=3, lookup_group=3, axi_bits=64, table_bits=6,
               act_exponent_bits=2),
    ],
    ids=["lut7", "lut5", "lut3"],
)  # fmt: skip
def test_quantised_tables_are_those_of_the_golden_model(config: Config):
    rng = np.random.default_rng(1)
    top = 1 << config.act_bits - 1
    for bits in (1, 2, 5):
        weights = QuantizedMatrix.from_codes(rng.integers(0, 1 << bits, (11, 70), np.uint8), bits)
        x = rng.integers(-top, top, (5, 70)) // rng.integers(1, 9, (5, 1))
        layout = MatrixLayout.of(weights, config)
        exponents = None
        if config.act_exponent_bits:
            exponents = rng.integers(0, 4, (5, layout.k_blocks))
        lowering = layout.lowering
        trace = golden_tables(
            config,
            x,
            np.stack([digits[weights.codes] for digits in lowering.digits]),
            shifts=list(lowering.shifts),
            halve=lowering.halve,
            coefficient=layout.coefficient,
            exponents=exponents,
        )
        with Accelerator.open("golden", config=config) as device:
            y = device.matmul(x, device.load(weights), exponents=exponents)
        np.testing.assert_array_equal(y, trace.result(5, 11))
        assert (y != x @ weights.integers().T).any(), "quantisation is visible"


def test_buffers_are_rings_or_not(device: Accelerator):
    """LOAD of weights wraps around; LMMA reads them modulo the depth."""
    device.run(program(load(buffer=Buffer.WEIGHT, row=15, rows=3), planes([0]),
                       lmma(weight_base=15, n_blocks=3), END))  # fmt: skip


def test_wrong_memory_sizes_are_named():
    with pytest.raises(ValueError, match="memory_bytes must be positive"):
        FunctionalDevice(CONFIG, memory_bytes=0)
    assert FunctionalDevice(CONFIG, memory_bytes=1 << 30).memory_size == 1 << CONFIG.addr_bits
