import numpy as np
import pytest

from lutra.host.transport import Transport
from lutra.hw.isa import ISA_VERSION
from lutra.hw.registers import MAGIC, Control, Register
from lutra.sim.functional import FunctionalDevice

from ..products import SHAPES


@pytest.fixture
def transport():
    with FunctionalDevice(SHAPES["odd"], memory_bytes=1 << 16) as device:
        yield device


def test_is_a_transport(transport: Transport):
    assert isinstance(transport, Transport)
    assert transport.memory_size == 1 << 16


def test_registers(transport: Transport):
    assert transport.read_register(Register.MAGIC) == MAGIC
    assert transport.read_register(Register.ISA_VERSION) == ISA_VERSION
    transport.write_register(Register.PROGRAM_LO, 0x1234)
    assert transport.read_register(Register.PROGRAM_LO) == 0x1234
    transport.write_register(Register.MAGIC, 0)
    assert transport.read_register(Register.MAGIC) == MAGIC
    assert transport.read_register(Register.CONTROL) == 0
    assert transport.read_register(0x80) == 0


def test_memory(transport: Transport):
    data = np.arange(100, dtype=np.int32).reshape(10, 10)
    transport.write_memory(64, data)
    found = transport.read_memory(64, data.nbytes)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.view(np.int32).reshape(10, 10), data)
    found[:] = 0
    assert transport.read_memory(68, 1)[0] == 1, "what was read belongs to the caller"
    transport.write_memory(0, b"abc")
    assert transport.read_memory(0, 3).tobytes() == b"abc"
    for address, size in ((1 << 16, 1), (-1, 1), (0, (1 << 16) + 1)):
        with pytest.raises((ValueError, IndexError)):
            transport.read_memory(address, size)


def test_wait_and_reset(transport: Transport):
    transport.write_register(Register.CONTROL, Control.RESET)
    assert transport.wait(1000)
    assert transport.read_register(Register.STATUS) == 0


def test_closing_twice_does_nothing(transport: Transport):
    transport.close()
    transport.close()
