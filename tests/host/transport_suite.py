"""What every `Transport` has to do, whatever is behind it: subclass, and give a `transport`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lutra.gen.config_names import config_hash, load_config
from lutra.host.accelerator import Accelerator
from lutra.host.errors import ConfigMismatchError, LutraError
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.transport import Transport
from lutra.hw.isa import ISA_VERSION, ErrorCode, Opcode
from lutra.hw.program import encode_columns
from lutra.hw.registers import COUNTERS, MAGIC, Control, Register, Status

__all__ = ["TransportSuite"]


class TransportSuite:
    """Tests of one transport to a device of configuration `config`.

    The device may be shared by all of them: each leaves it at rest.
    """

    config = load_config("tiny")

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        raise NotImplementedError

    @pytest.fixture
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(7)

    def test_it_is_a_transport(self, transport: Transport):
        assert isinstance(transport, Transport)
        assert transport.memory_size >= 1 << 14

    def test_identity(self, transport: Transport):
        assert transport.read_register(Register.MAGIC) == MAGIC
        assert transport.read_register(Register.ISA_VERSION) == ISA_VERSION
        low = transport.read_register(Register.CONFIG_HASH_LO)
        high = transport.read_register(Register.CONFIG_HASH_HI)
        assert f"{high:08x}{low:08x}" == config_hash(self.config)[:16]

    def test_registers(self, transport: Transport):
        for register in (Register.PROGRAM_LO, Register.PROGRAM_LENGTH):
            for value in (0x7E7D_5E5D, 0xFFFF_FFFF, 0, 0x1234):
                transport.write_register(register, value)
                assert transport.read_register(register) == value
        transport.write_register(Register.MAGIC, 0)
        assert transport.read_register(Register.MAGIC) == MAGIC
        assert transport.read_register(Register.CONTROL) == 0
        assert transport.read_register(0x80) == 0

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 700])
    def test_memory_at_any_address(self, transport: Transport, rng: np.random.Generator, size: int):
        for address in (4096, 4097, 4098, 4099, transport.memory_size - size - 4):
            around = rng.integers(0, 256, size + 8).astype(np.uint8)
            transport.write_memory(address - 4, around)
            data = rng.integers(0, 256, size).astype(np.uint8)
            transport.write_memory(address, data)
            around[4 : 4 + size] = data
            found = transport.read_memory(address - 4, size + 8)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, around)

    def test_memory_of_other_types(self, transport: Transport):
        data = np.arange(-50, 50, dtype=np.int32).reshape(10, 10)
        transport.write_memory(64, data)
        found = transport.read_memory(64, data.nbytes)
        np.testing.assert_array_equal(found.view(np.int32).reshape(10, 10), data)
        transport.write_memory(64, b"\x7e\x7d\x7e")
        assert transport.read_memory(63, 5)[1:4].tobytes() == b"\x7e\x7d\x7e"
        transport.write_memory(64, b"")
        assert transport.read_memory(64, 0).size == 0

    def test_what_was_read_belongs_to_the_caller(self, transport: Transport):
        transport.write_memory(0, b"abcd")
        found = transport.read_memory(0, 4)
        found[:] = 0
        assert transport.read_memory(0, 4).tobytes() == b"abcd"

    def test_ends_of_memory(self, transport: Transport):
        size = transport.memory_size
        transport.write_memory(0, b"first")
        transport.write_memory(size - 4, b"last")
        assert transport.read_memory(0, 5).tobytes() == b"first"
        assert transport.read_memory(size - 4, 4).tobytes() == b"last"
        for address, count in ((size, 1), (-1, 1), (0, size + 1), (size - 2, 4)):
            with pytest.raises((ValueError, IndexError, LutraError)):
                transport.read_memory(address, count)
            if count < 10:
                with pytest.raises((ValueError, IndexError, LutraError)):
                    transport.write_memory(address, bytes(count))
        assert transport.read_memory(size - 4, 4).tobytes() == b"last"

    def test_wait_and_reset(self, transport: Transport):
        assert transport.wait()
        transport.write_register(Register.CONTROL, Control.RESET)
        assert transport.wait(100_000)
        assert transport.read_register(Register.STATUS) == 0

    def test_a_program_runs_once(self, transport: Transport):
        """The doorbell is a write like any other: it must not ring twice."""
        self.start(transport, encode_columns(Opcode.END, {}))
        assert transport.wait(100_000)
        assert transport.read_register(Register.STATUS) == Status.DONE
        cycles = transport.read_register(COUNTERS["cycles"])
        assert transport.read_register(COUNTERS["cycles"]) == cycles

    def test_a_bad_program_stops_with_its_error(self, transport: Transport):
        self.start(transport, np.zeros((1, 2), np.uint64))
        assert transport.wait(100_000)
        assert transport.read_register(Register.STATUS) == Status.ERROR
        assert transport.read_register(Register.ERROR_CODE) == ErrorCode.ILLEGAL_OPCODE
        assert transport.read_register(Register.ERROR_ADDRESS_LO) == 0x2000
        self.start(transport, encode_columns(Opcode.END, {}))
        assert transport.wait(100_000)
        assert transport.read_register(Register.STATUS) == Status.DONE

    def test_products(self, transport: Transport, rng: np.random.Generator):
        """The driver on top of it: weights, activations, a program, results."""
        device = self.driver(transport)
        for m, n, k, bits in ((1, 9, 20, 2), (3, 5, 33, 3)):
            codes = rng.integers(0, 1 << bits, (n, k), dtype=np.uint8)
            zeros = rng.integers(0, 1 << bits, (n, -(-k // 16)))
            weights = QuantizedMatrix.from_codes(codes, bits, group_size=16, zero_points=zeros)
            x = rng.integers(-128, 128, (m, k)).astype(np.int8)
            loaded = device.load(weights)
            np.testing.assert_array_equal(device.matmul(x, loaded), x @ weights.integers().T)
            assert device.counters["cycles"] > 0
            loaded.free()

    def test_another_configuration_is_refused(self, transport: Transport):
        with pytest.raises(ConfigMismatchError, match="the device was generated from"):
            Accelerator(transport, config="w1a8")

    @staticmethod
    def driver(transport: Transport) -> Accelerator:
        """A driver that leaves the transport open."""
        return Accelerator(transport, config=TransportSuite.config)

    @staticmethod
    def start(transport: Transport, program: np.ndarray) -> None:
        """Put a program at 0x2000 and ring the doorbell."""
        transport.write_memory(0x2000, program)
        transport.write_register(Register.PROGRAM_LO, 0x2000)
        transport.write_register(Register.PROGRAM_HI, 0)
        transport.write_register(Register.PROGRAM_LENGTH, len(program))
        transport.write_register(Register.CONTROL, Control.START)
