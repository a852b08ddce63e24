"""The same tests on every transport: in software, compiled, and over a serial line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lutra.boards.registry import find_board
from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator
from lutra.host.link_board import SimulatedBoardTransport
from lutra.host.link_pty import Noise, PtyServer
from lutra.host.quantized_matrix import QuantizedMatrix
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


@pytest.mark.xdist_group("board")
def test_products_on_the_simulated_icebreaker():
    """Its own configuration and memory: no queues, and one read under way."""
    icebreaker = find_board("icebreaker")
    transport = SimulatedBoardTransport(
        load_config(icebreaker.config), memory=icebreaker.memories["spram"]
    )
    rng = np.random.default_rng(3)
    with Accelerator(transport, config=icebreaker.config) as device:
        for m, n, k, bits in ((1, 2, 16, 1), (3, 20, 70, 2), (2, 33, 300, 2)):
            codes = rng.integers(0, 1 << bits, (n, k)).astype(np.uint8)
            x = rng.integers(-128, 128, (m, k)).astype(np.int8)
            y = device.matmul(x, device.load(QuantizedMatrix.from_codes(codes, bits)))
            weights = 2 * codes.astype(int) - 1 if bits == 1 else codes.astype(int) - 2
            np.testing.assert_array_equal(y, x.astype(int) @ weights.T)
            assert device.counters["cycles"] > 0
