"""The serial transport when things go wrong: each has a name, comes in time, and ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lutra.boards.link.frame import Command, LinkWord
from lutra.boards.link.model import LinkModel
from lutra.host.accelerator import Accelerator
from lutra.host.errors import ConfigMismatchError, LutraError, TransportError
from lutra.host.link_client import LinkClient
from lutra.host.link_errors import (
    BoardResetError,
    LinkLostError,
    NoAnswerError,
    PortError,
    WrongDeviceError,
)
from lutra.host.link_pty import Noise, PtyServer
from lutra.host.link_transfer import Transfer
from lutra.host.serial_transport import SerialTransport
from lutra.hw.registers import MAGIC, Register, Status

from .serial_helpers import EmulatedBoard


class Answering:
    """A device that answers with whatever the function makes of what came."""

    def __init__(self, function: Callable[[bytes], bytes]) -> None:
        self.function = function

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        return self.function(received), False


@pytest.fixture
def board() -> EmulatedBoard:
    return EmulatedBoard()


@pytest.fixture
def server(board: EmulatedBoard) -> Iterator[PtyServer]:
    with PtyServer(board) as server:
        yield server


def open_quickly(path: str) -> SerialTransport:
    return SerialTransport(path, timeout=0.3, reply_time=0.02)


def test_open_by_name(server: PtyServer):
    with Accelerator.open(f"serial:{server.path}", config="tiny", timeout=5.0) as device:
        assert device.transport.memory_size == 1 << 16
        assert isinstance(device.transport, SerialTransport)
        assert device.transport.clock_hz == 25_000_000


def test_port_absent():
    with pytest.raises(PortError, match="/dev/ttyNone: there is no such port; "):
        Accelerator.open("serial:/dev/ttyNone", config="tiny")
    with pytest.raises(LutraError, match="port must be named"):
        Accelerator.open("serial:", config="tiny")


def test_port_in_use(server: PtyServer):
    with (
        open_quickly(server.path) as transport,
        pytest.raises(PortError, match="the port is in use by another program"),
    ):
        SerialTransport(server.path)
    with pytest.raises(LinkLostError, match="the transport is closed; open it again"):
        transport.read_register(0)


def test_nothing_answers():
    with PtyServer(Answering(lambda received: b"")) as server:
        begin = time.monotonic()
        with pytest.raises(NoAnswerError, match=r"at 1000000 baud: nothing came within 0.3 s; is"):
            open_quickly(server.path)
        assert time.monotonic() - begin < 2


def test_something_else_answers():
    with (
        PtyServer(Answering(lambda received: b"login: ")) as server,
        pytest.raises(WrongDeviceError, match="bytes came, but no answer: another device"),
    ):
        open_quickly(server.path)


def test_a_plug_that_returns_what_is_sent():
    with (
        PtyServer(Answering(lambda received: received)) as server,
        pytest.raises(WrongDeviceError, match="the port returns what is sent to it"),
    ):
        open_quickly(server.path)


def test_another_version_of_the_link(board: EmulatedBoard, server: PtyServer):
    board.model._words[LinkWord.IDENTITY] += 1
    with pytest.raises(WrongDeviceError, match=r"link is 0x4c550002, this host's 0x4c550001"):
        open_quickly(server.path)


def test_another_configuration(server: PtyServer):
    path = f"serial:{server.path}"
    with pytest.raises(ConfigMismatchError, match="not from 'w2a8'"):
        Accelerator.open(path, config="w2a8")
    with Accelerator.open(path, config="tiny"):
        pass  # the port was let go of


def test_outside_of_memory_is_refused_before_it_is_sent(server: PtyServer):
    with open_quickly(server.path) as transport:
        sent = transport.statistics.requests
        with pytest.raises(TransportError, match="within the board's 0x10000 bytes"):
            transport.write_memory(0xFFFF, b"ab")
        assert transport.statistics.requests == sent
        assert transport.read_register(Register.MAGIC) == MAGIC


def test_a_register_that_cannot_be(server: PtyServer):
    with open_quickly(server.path) as transport:
        with pytest.raises(TransportError, match="refused READ_REGISTERS of 4 bytes at 0x2"):
            transport.read_register(2)
        with pytest.raises(LinkLostError, match=r"an earlier access failed \(the board refused"):
            transport.read_register(0)


def during_transfer(server: PtyServer, board: EmulatedBoard, action: Callable[[], None]) -> None:
    """Do something to the line while the third of many frames is on it."""
    original, count = board.model.feed, [0]

    def feed(received: bytes) -> bytes:
        count[0] += 1
        if count[0] == 3:
            action()
        return original(received)

    board.model.feed = feed  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("write", [False, True])
def test_cable_pulled_in_the_middle(board: EmulatedBoard, server: PtyServer, write: bool):
    data = np.arange(40_000, dtype=np.uint16).view(np.uint8)[: 1 << 16]
    transport = open_quickly(server.path)
    during_transfer(server, board, server.unplug)
    begin = time.monotonic()
    access = (transport.write_memory, 0, data) if write else (transport.read_memory, 0, 1 << 16)
    with pytest.raises(LinkLostError, match="the port was lost while"):
        access[0](*access[1:])
    assert time.monotonic() - begin < 2
    with pytest.raises(LinkLostError, match="an earlier access failed"):
        transport.write_memory(0, data)
    transport.close()

    with PtyServer(EmulatedBoard(board.target)) as again, open_quickly(again.path) as transport:
        transport.write_memory(0, data)
        np.testing.assert_array_equal(transport.read_memory(0, 1 << 16), data)


def test_line_dead_in_the_middle_and_alive_again(board: EmulatedBoard, server: PtyServer):
    data = np.arange(1 << 15, dtype=np.uint16).view(np.uint8)
    transport = open_quickly(server.path)
    during_transfer(server, board, server.mute)
    begin = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"no progress for 0.3 s; so far \d+ frames were sent"):
        transport.write_memory(0, data)
    assert time.monotonic() - begin < 2
    server.mute(False)
    with pytest.raises(LinkLostError, match="open it again"):
        transport.read_register(0)
    with open_quickly(server.path) as transport:  # the same port: the old one was let go of
        transport.write_memory(0, data)
        np.testing.assert_array_equal(transport.read_memory(0, 1 << 16), data)


def test_a_short_outage_is_survived(server: PtyServer):
    with SerialTransport(server.path, timeout=10, reply_time=0.02) as transport:
        server.mute()
        threading.Timer(0.1, server.mute, (False,)).start()
        assert transport.read_register(Register.MAGIC) == MAGIC
        assert transport.statistics.timeouts >= 2


def test_board_reset_in_the_middle(board: EmulatedBoard, server: PtyServer):
    transport = open_quickly(server.path)
    transport.write_memory(0, b"abc")
    board.model.reset()
    with pytest.raises(BoardResetError, match="the board was reset meanwhile; open it again"):
        transport.read_memory(0, 3)
    with pytest.raises(LinkLostError):
        transport.read_memory(0, 3)
    with open_quickly(server.path) as transport:
        transport.write_memory(0, b"abc")


def test_old_replies_do_not_confuse_a_new_session(server: PtyServer):
    """The driver is killed with reads under way; the next one finds their replies first."""
    for _ in range(5):
        transport = open_quickly(server.path)
        client = transport._client
        for _ in range(3):
            client.port.write(_request(client, 300))
        transport.close()
        with open_quickly(server.path) as transport:
            assert transport.read_register(Register.MAGIC) == MAGIC


def _request(client: LinkClient, size: int) -> bytes:
    return Transfer(Command.READ_MEMORY, 0, size, sequence=client._sequence).cut(size)[1]


def test_wait_counts_the_cycles_of_the_board():
    """A device that never ends: `wait` gives up after so many of its own cycles."""

    class Busy:
        memory_size = 1 << 14

        def read_register(self, offset: int) -> int:
            return Status.BUSY if offset == Register.STATUS else 0

    model = LinkModel(Busy(), clock_hz=1_000_000)  # pyright: ignore[reportArgumentType]
    with (
        PtyServer(Answering(model.feed)) as server,
        SerialTransport(server.path, timeout=5) as transport,
    ):
        before = model._words[LinkWord.CYCLES]
        assert not transport.wait(500)
        assert 500 <= model._words[LinkWord.CYCLES] - before < 700


def test_noise_rate_wrong():
    with pytest.raises(ValueError, match="rate must be from 0 to 1, not 2"):
        Noise(2)


def test_a_device_that_fails_is_heard_of():
    def fail(received: bytes) -> bytes:
        raise ZeroDivisionError

    server = PtyServer(Answering(fail))
    with pytest.raises((LinkLostError, NoAnswerError)):
        open_quickly(server.path)
    with pytest.raises(ZeroDivisionError):
        server.close()
    server.close()
