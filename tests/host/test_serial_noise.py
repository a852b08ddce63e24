"""A line that damages one byte in a hundred: everything arrives, once, and unchanged."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from lutra.boards.link.frame import Command
from lutra.host.accelerator import Accelerator
from lutra.host.link_board import SimulatedBoardTransport
from lutra.host.link_client import LinkClient
from lutra.host.link_pty import Noise, PtyServer
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.serial_transport import SerialTransport

from .serial_helpers import EmulatedBoard

SIZE = 1 << 16


class CountingTarget:
    """Memory, and registers that add up what is written to them: doing it twice would show."""

    memory_size = SIZE

    def __init__(self) -> None:
        self.memory = bytearray(SIZE)
        self.sums = [0] * 16

    def read_register(self, offset: int) -> int:
        return self.sums[offset // 4]

    def write_register(self, offset: int, value: int) -> None:
        self.sums[offset // 4] = (self.sums[offset // 4] + value) & 0xFFFFFFFF

    def read_memory(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def write_memory(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data


def transfers(transport: SerialTransport, count: int, *, seed: int) -> None:
    """Random transfers of all kinds, each checked against what must be there."""
    rng = random.Random(seed)
    memory = bytearray(bytes(transport.read_memory(0, SIZE)))
    sums = [transport.read_register(4 * i) for i in range(16)]
    for _ in range(count):
        kind, i = rng.random(), rng.randrange(16)
        size = rng.randrange(1, 40) if rng.random() < 0.95 else rng.randrange(40, 600)
        address = rng.randrange(SIZE - size)
        if kind < 0.25:
            value = rng.getrandbits(32)
            transport.write_register(4 * i, value)
            sums[i] = (sums[i] + value) & 0xFFFFFFFF
        elif kind < 0.5:
            assert transport.read_register(4 * i) == sums[i]
        elif kind < 0.75:
            data = rng.randbytes(size) if rng.random() < 0.8 else rng.choice([b"~", b"}"]) * size
            transport.write_memory(address, data)
            memory[address : address + size] = data
        else:
            assert transport.read_memory(address, size).tobytes() == memory[address:][:size]
    assert transport.read_memory(0, SIZE).tobytes() == memory
    assert [transport.read_register(4 * i) for i in range(16)] == sums


def test_ten_thousand_transfers_and_none_is_wrong():
    target, noise = CountingTarget(), Noise(0.01, seed=4)
    board = EmulatedBoard(target)
    with (
        PtyServer(board, noise=noise) as server,
        SerialTransport(server.path, timeout=30, reply_time=0.004) as transport,
    ):
        transfers(transport, 10_000, seed=5)
        statistics = transport.statistics
    assert noise.hits > 5000
    assert statistics.damaged > 3000
    assert board.model.repeated > 300, "writes that only their sequence number kept from happening"


class Channel:
    """A `BytePort` to the model without a pseudo-terminal: the same every time."""

    def __init__(self, board: EmulatedBoard, noise: Noise, *, late: float = 0.0) -> None:
        self.board, self.noise, self.late = board, noise, late
        self.random = random.Random(1)
        self.coming = bytearray()

    def write(self, data: bytes) -> None:
        self.coming += self.noise(self.board.exchange(self.noise(data))[0])

    def read(self, timeout: float) -> bytes:
        if not self.coming or self.random.random() < self.late:
            time.sleep(timeout)  # too late: the frame is repeated, and answered twice
            return b""
        size = self.random.randrange(1, 40)
        data = bytes(self.coming[:size])
        del self.coming[:size]
        return data


@pytest.mark.parametrize(("rate", "late"), [(0.0, 0.0), (0.0, 0.3), (0.003, 0.1), (0.02, 0.05)])
@pytest.mark.parametrize("buffer_bytes", [256, 2048])
def test_large_transfers_through_any_noise(rate: float, late: float, buffer_bytes: int):
    """Pieces are cut anew while old ones are under way: every byte must still be the right one."""
    target, rng = CountingTarget(), random.Random(buffer_bytes)
    board = EmulatedBoard(target, buffer_bytes=buffer_bytes)
    client = LinkClient(
        Channel(board, Noise(rate), late=late), byte_time=0, reply_time=0.0005, patience=60
    )
    client.hello()
    client.learn()
    for _ in range(8):
        size = rng.randrange(1, 5000)
        address, data = rng.randrange(SIZE - size), rng.randbytes(size)
        before = bytes(target.memory)
        client.transfer(Command.WRITE_MEMORY, address, size, data)
        assert target.memory == before[:address] + data + before[address + size :]
        assert client.transfer(Command.READ_MEMORY, address, size) == data
        client.transfer(Command.WRITE_REGISTERS, 0, 4, b"\1\0\0\0")
    assert target.sums[0] == 8


@pytest.mark.xdist_group("board")
def test_the_rtl_on_a_bad_line():
    """Products of the real driver on the RTL of a board, one byte in a hundred damaged."""
    rng, noise = np.random.default_rng(3), Noise(0.01, seed=6)
    transport = SimulatedBoardTransport("tiny", noise=noise, reply_time=0.15)
    with Accelerator(transport, config="tiny") as device:
        for n, k in ((6, 9), (11, 17)):
            codes = rng.integers(0, 4, (n, k), dtype=np.uint8)
            weights = device.load(QuantizedMatrix.from_codes(codes, 2))
            x = rng.integers(-128, 128, (1, k)).astype(np.int8)
            expected = x.astype(int) @ (codes.astype(int) - 2).T
            np.testing.assert_array_equal(device.matmul(x, weights), expected)
        for _ in range(20):
            size = int(rng.integers(1, 60))
            address = int(rng.integers(0, transport.memory_size - size))
            data = rng.integers(0, 256, size).astype(np.uint8)
            transport.write_memory(address, data)
            np.testing.assert_array_equal(transport.read_memory(address, size), data)
        assert transport.statistics.damaged > 10
    assert noise.hits > 20
