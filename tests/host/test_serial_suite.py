"""The same tests on every transport: in software, compiled, and over a serial line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.link_board import SimulatedBoardTransport
from lutra.host.link_pty import Noise, PtyServer
from lutra.host.serial_transport import SerialTransport
from lutra.host.transport import Transport
from lutra.hw.registers import MAGIC, Register
from lutra.sim.functional import FunctionalDevice
from lutra.sim.verilator_device import VerilatorDevice

from .serial_helpers import EmulatedBoard
from .transport_suite import TransportSuite


class TestFunctional(TransportSuite):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with FunctionalDevice(self.config, memory_bytes=1 << 16) as device:
            yield device


class TestVerilator(TransportSuite):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with VerilatorDevice(self.config, memory_bytes=1 << 16, latency=3) as device:
            yield device


class TestEmulatedBoard(TransportSuite):
    """The model of the link, behind a pseudo-terminal."""

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with PtyServer(EmulatedBoard()) as server, SerialTransport(server.path) as device:
            yield device


class TestEmulatedBoardOnABadLine(TransportSuite):
    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        with (
            PtyServer(EmulatedBoard(), noise=Noise(0.01)) as server,
            SerialTransport(server.path, timeout=20, reply_time=0.005) as device,
        ):
            yield device


@pytest.fixture(scope="module")
def board() -> Iterator[Transport]:
    with SimulatedBoardTransport(TransportSuite.config) as device:
        yield device


@pytest.mark.xdist_group("board")
class TestSimulatedBoard(TransportSuite):
    """The RTL of a whole board, its UART pins behind a pseudo-terminal."""

    @pytest.fixture
    def transport(self, board: Transport) -> Transport:
        return board


@pytest.mark.xdist_group("board")
def test_open_a_simulated_board_by_name():
    with Accelerator.open("board", config="tiny") as device:
        assert isinstance(device.transport, SimulatedBoardTransport)
        before = device.transport.board.cycles
        assert device.transport.read_register(Register.MAGIC) == MAGIC
        assert device.transport.board.cycles - before > 34 * 80  # bytes, at 80 cycles each
    device.close()
