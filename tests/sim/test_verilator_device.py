"""The simulated device: transport, memory timing, faults, limits, and life after each of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lutra.gen.config_names import UnknownConfigError, config_hash, load_config
from lutra.host.accelerator import Accelerator
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.transport import Transport
from lutra.hw.isa import ISA_VERSION, Buffer, Engine, ErrorCode, Opcode, encode
from lutra.hw.registers import MAGIC, Control, Register, Status
from lutra.sim.errors import AccessError, SimulationError
from lutra.sim.verilator_device import VerilatorDevice

MEMORY = 1 << 20
PROGRAM = 0x1000


@pytest.fixture(scope="module")
def shared() -> Iterator[VerilatorDevice]:
    with VerilatorDevice("tiny", memory_bytes=MEMORY) as device:
        yield device


@pytest.fixture
def device(shared: VerilatorDevice) -> VerilatorDevice:
    """One device for all tests, at rest and with a plain memory."""
    shared.set_timing(latency=1)
    shared.set_stalls(0)
    shared.set_fault()
    reset(shared)
    return shared


def reset(device: VerilatorDevice) -> None:
    device.write_register(Register.CONTROL, Control.RESET)
    assert device.wait(10_000)
    assert device.read_register(Register.STATUS) == 0


def start(device: VerilatorDevice, program: list[int], address: int = PROGRAM) -> None:
    device.write_memory(address, b"".join(word.to_bytes(16, "little") for word in program))
    device.write_register(Register.PROGRAM_LO, address)
    device.write_register(Register.PROGRAM_HI, 0)
    device.write_register(Register.PROGRAM_LENGTH, len(program))
    device.write_register(Register.CONTROL, Control.START)


def run(device: VerilatorDevice, program: list[int]) -> int:
    """Cycles of a program that has to succeed."""
    start(device, program)
    assert device.wait(100_000)
    assert device.read_register(Register.STATUS) == Status.DONE
    return device.read_register(Register.CYCLES)


def load(rows: int, address: int = 0, **fields: int) -> int:
    return encode(Opcode.LOAD, buffer=Buffer.WEIGHT, rows=rows, address=address, **fields)


END = encode(Opcode.END)


def test_is_a_transport(device: VerilatorDevice):
    assert isinstance(device, Transport)
    assert device.memory_size == MEMORY


def test_identity(device: VerilatorDevice):
    assert device.read_register(Register.MAGIC) == MAGIC
    assert device.read_register(Register.ISA_VERSION) == ISA_VERSION
    first = int(config_hash(load_config("tiny"))[:16], 16)
    assert device.read_register(Register.CONFIG_HASH_LO) == first & 0xFFFFFFFF
    assert device.read_register(Register.CONFIG_HASH_HI) == first >> 32


def test_registers_keep_what_is_written(device: VerilatorDevice):
    for value in (0, 0xDEADBEE0, 0xFFFFFFFF):
        device.write_register(Register.PROGRAM_LO, value)
        assert device.read_register(Register.PROGRAM_LO) == value


@pytest.mark.parametrize(
    "data",
    [
        b"bytes\x00\xff",
        np.arange(7, dtype=np.uint8),
        np.arange(-3, 3, dtype=np.int16).reshape(2, 3),
        np.array([[1, 2], [3, 4]], np.uint64)[:, ::-1],
        np.zeros(0, np.uint8),
        b"",
    ],
)
def test_memory(device: VerilatorDevice, data: np.ndarray | bytes):
    raw = data if isinstance(data, bytes) else data.tobytes()
    device.write_memory(12345, data)
    found = device.read_memory(12345, len(raw))
    assert found.dtype == np.uint8
    assert found.tobytes() == raw
    found[:] = 0  # the caller's own
    assert device.read_memory(12345, len(raw)).tobytes() == raw


@pytest.mark.parametrize(("address", "size"), [(-1, 1), (MEMORY, 1), (MEMORY - 3, 4), (0, -1)])
def test_memory_bounds(device: VerilatorDevice, address: int, size: int):
    with pytest.raises(AccessError, match=r"must lie in memory of 0x100000 bytes"):
        device.read_memory(address, size)
    if size > 0:
        with pytest.raises(AccessError):
            device.write_memory(address, bytes(size))


def test_program_moves_data(device: VerilatorDevice):
    run(device, [load(16), END])
    # One piece of program of two instructions, 16 words of 4 bytes.
    assert device.read_register(Register.BYTES_READ) == 2 * 16 + 16 * 4


def test_latency_is_that_of_the_first_beat(device: VerilatorDevice):
    near = run(device, [load(16), END])
    device.set_timing(latency=101)
    # The program and the data come one after the other, a burst each.
    assert run(device, [load(16), END]) == near + 2 * 100
    device.set_timing(latency=0)
    assert run(device, [load(16), END]) == near


@pytest.mark.parametrize("bytes_per_cycle", [1, 2, 3])
def test_bandwidth_limits_every_beat(device: VerilatorDevice, bytes_per_cycle: int):
    device.set_timing(latency=1, bytes_per_cycle=bytes_per_cycle)
    program = [*[load(64)] * 20, END]
    cycles = run(device, program)
    moved = device.read_register(Register.BYTES_READ)
    assert moved / bytes_per_cycle <= cycles + 8 <= moved / bytes_per_cycle * 1.02 + 60


def test_more_bandwidth_than_the_bus_is_no_limit(device: VerilatorDevice):
    program = [*[load(64)] * 5, END]
    free = run(device, program)
    device.set_timing(latency=1, bytes_per_cycle=64)
    assert run(device, program) == free


def test_timing_is_checked(device: VerilatorDevice):
    with pytest.raises(ValueError, match="at least 0"):
        device.set_timing(latency=-1)
    with pytest.raises(ValueError, match=r"share must be from 0 to 0\.99"):
        device.set_stalls(1.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_products_survive_stalls(share: float):
    random = np.random.default_rng(int(share * 100))
    codes = random.integers(0, 4, (21, 50)).astype(np.uint8)
    x = random.integers(-128, 128, (5, 50)).astype(np.int8)
    golden = x.astype(int) @ (codes.astype(int) - 2).T
    with Accelerator.open("sim", config="tiny", memory_bytes=MEMORY) as accelerator:
        weights = accelerator.load(QuantizedMatrix.from_codes(codes, 2))
        for seed in range(20):
            accelerator.transport.set_stalls(share, seed=seed)
            np.testing.assert_array_equal(accelerator.matmul(x, weights), golden)


@pytest.mark.parametrize("latency", [1, 300])
@pytest.mark.parametrize(
    ("code", "address", "program"),
    [
        (ErrorCode.READ_RESPONSE, 0x40000, [load(8, 0x40000), END]),
        (ErrorCode.READ_RESPONSE, MEMORY, [load(8, MEMORY), END]),
        (ErrorCode.WRITE_RESPONSE, 0x40000,
         [encode(Opcode.STORE, words=1, address=0x40000), END]),
        (ErrorCode.WRITE_RESPONSE, MEMORY,
         [encode(Opcode.STORE, words=1, address=MEMORY), END]),
        (ErrorCode.ILLEGAL_OPCODE, PROGRAM + 16, [load(8), 0, END]),
        (ErrorCode.DEADLOCK, 0, [load(1, wait=1 << Engine.COMPUTE), END]),
        (ErrorCode.NO_END, PROGRAM + 16, [load(1)]),
    ],
)  # fmt: skip
def test_errors_and_life_after(
    device: VerilatorDevice, latency: int, code: ErrorCode, address: int, program: list[int]
):
    before = run(device, [load(16), END])
    device.set_timing(latency=latency)
    device.set_fault(0x40000, 0x40004)
    start(device, program)
    assert device.wait(100_000)
    assert device.read_register(Register.STATUS) == Status.ERROR
    assert device.read_register(Register.ERROR_CODE) == code
    assert device.read_register(Register.ERROR_ADDRESS_LO) == address
    device.set_timing(latency=1)
    reset(device)
    assert run(device, [load(16), END]) == before


@pytest.mark.parametrize("limit", [0, 1, 30, 600])
def test_limit_and_life_after(device: VerilatorDevice, limit: int):
    before = run(device, [load(16), END])
    device.set_timing(latency=5000)
    start(device, [load(64), END])
    cycles = device.cycles
    assert not device.wait(limit)
    assert limit <= device.cycles - cycles <= limit + 200
    reset(device)
    device.set_timing(latency=1)
    assert run(device, [load(16), END]) == before


def test_wait_without_a_program_returns_at_once(device: VerilatorDevice):
    assert device.wait()


def test_devices_are_independent(device: VerilatorDevice):
    with VerilatorDevice("tiny", memory_bytes=8192) as other:
        other.write_memory(0, b"\x55" * 16)
        other.write_register(Register.PROGRAM_LO, 64)
        device.write_register(Register.PROGRAM_LO, 128)
        assert other.read_register(Register.PROGRAM_LO) == 64


def test_bare_runs_cycles_of_the_model(device: VerilatorDevice):
    assert 0 < device.bare(1000) < 10


def test_waveform(tmp_path: Path):
    path = tmp_path / "dump.vcd"
    with VerilatorDevice("tiny", memory_bytes=MEMORY, trace=path) as device:
        run(device, [load(4), END])
    text = path.read_text()
    assert "m_axi_arvalid" in text
    assert "#100\n" in text


def test_waveform_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(SimulationError, match="cannot be written"):
        VerilatorDevice("tiny", memory_bytes=MEMORY, trace=tmp_path / "none" / "dump.vcd")


def test_init_is_checked():
    with pytest.raises(UnknownConfigError):
        VerilatorDevice("tinny")
    with pytest.raises(ValueError, match=r"memory_bytes must be from 4096 to 2\*\*32"):
        VerilatorDevice("tiny", memory_bytes=1 << 33)


def test_memory_may_be_larger_than_the_machine():
    with VerilatorDevice("tiny", memory_bytes=1 << 32) as device:
        device.write_memory((1 << 32) - 4, b"last")
        assert device.read_memory((1 << 32) - 4, 4).tobytes() == b"last"


def test_close_twice_and_use_after():
    device = VerilatorDevice("tiny", memory_bytes=MEMORY)
    device.close()
    device.close()
    with pytest.raises(SimulationError, match="closed"):
        device.read_register(0)
    with pytest.raises(SimulationError, match="closed"):
        device.read_memory(0, 1)
