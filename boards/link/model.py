"""The link in software: what `link.Link` answers, for tests and for driving a device without one.

The rules are those of `executor.Executor`, written a second time on purpose: the test of the
gateware compares the two.
"""

from __future__ import annotations

from typing import Any, Protocol

from .frame import (
    HEADER_BYTES,
    LINK_IDENTITY,
    OVERHEAD_BYTES,
    REGISTER_BYTES,
    SEQUENCES,
    SPACES,
    Command,
    LinkWord,
    Space,
    Status,
    pack_header,
    unpack_header,
)
from .stuffing import Unstuffer, stuff

__all__ = ["LinkModel", "LinkTarget"]


class LinkTarget(Protocol):
    """What lies behind the link: the part of `lutra.host.transport.Transport` that it needs."""

    @property
    def memory_size(self) -> int: ...
    def read_register(self, offset: int) -> int: ...
    def write_register(self, offset: int, value: int) -> None: ...
    def read_memory(self, address: int, size: int) -> Any: ...
    def write_memory(self, address: int, data: bytes) -> None: ...


class LinkModel:
    """Takes the bytes that come in on the line, and gives those that go out.

    Parameters
    ----------
    target : LinkTarget
        A device, simulated or functional; it sees each write exactly once.
    clock_hz, buffer_bytes : int
        As of `Link`.

    Attributes
    ----------
    executed : int
        Writes that were carried out.
    repeated : int
        Writes that were confirmed only, because they had been carried out before.
    """

    def __init__(
        self, target: LinkTarget, *, clock_hz: int = 25_000_000, buffer_bytes: int = 2048
    ) -> None:
        self._target = target
        self._unstuffer = Unstuffer()
        self._buffer_bytes = buffer_bytes
        self._expected: int | None = None
        self._words = {
            **dict.fromkeys(LinkWord, 0),
            LinkWord.IDENTITY: LINK_IDENTITY,
            LinkWord.MEMORY_BYTES: target.memory_size,
            LinkWord.CLOCK_HZ: clock_hz,
            LinkWord.BUFFER_BYTES: buffer_bytes,
        }
        self.executed = self.repeated = 0

    def feed(self, received: bytes) -> bytes:
        """Bytes that the device sends when it has received these."""
        self._words[LinkWord.CYCLES] += len(received)  # time goes on; how fast does not matter
        return b"".join(map(self._answer, self._unstuffer.feed(received)))

    def reset(self) -> None:
        """What a reset of the board does to its link."""
        self._expected = None
        self._unstuffer.clear()

    def _answer(self, message: bytes | None) -> bytes:
        if message is not None and len(message) + OVERHEAD_BYTES > self._buffer_bytes:
            self._words[LinkWord.OVERFLOWS] += 1
            return b""
        if message is None:
            self._words[LinkWord.DAMAGED] += 1
            return stuff(pack_header(Status.DAMAGED, 0, 0, 0))
        code, sequence, count, address = unpack_header(message)
        status, payload = self._execute(code, sequence, count, address, message[HEADER_BYTES:])
        return stuff(pack_header(status, sequence, count, address) + payload)

    def _execute(
        self, code: int, sequence: int, count: int, address: int, data: bytes
    ) -> tuple[Status, bytes]:
        good = self._is_good(code, count, address, len(data))
        if code == Command.HELLO and good:
            self._expected = (sequence + 1) % SEQUENCES
            return Status.OK, b""
        if self._expected is None:
            return Status.FRESH, b""
        distance = (sequence - self._expected) % SEQUENCES
        if 0 < distance < SEQUENCES // 2:
            return Status.MISSED, b""
        new = distance == 0
        self._expected = (self._expected + new) % SEQUENCES
        if not good:
            return Status.REFUSED, b""
        command = Command(code)
        if not command.writes:
            return Status.OK, self._read(SPACES[command], address, count)
        if new:
            self._write(SPACES[command], address, data)
        self.executed += new
        self.repeated += not new
        return Status.OK, b""

    def _is_good(self, code: int, count: int, address: int, size: int) -> bool:
        if code not in Command._value2member_map_:
            return False
        command = Command(code)
        if size != (count if command.writes else 0):
            return False
        if command == Command.HELLO:
            return True
        space = SPACES[command]
        sizes = {
            Space.REGISTERS: REGISTER_BYTES,
            Space.MEMORY: self._target.memory_size,
            Space.LINK: 4 * len(LinkWord),
        }
        aligned = space == Space.MEMORY or (address | count) % 4 == 0
        return aligned and address + count <= sizes[space]

    def _read(self, space: Space, address: int, count: int) -> bytes:
        if space == Space.MEMORY:
            return bytes(self._target.read_memory(address, count))
        read = self._target.read_register if space == Space.REGISTERS else self._word
        offsets = range(address, address + count, 4)
        return b"".join(read(offset).to_bytes(4, "little") for offset in offsets)

    def _word(self, offset: int) -> int:
        return self._words[LinkWord(offset)] & 0xFFFFFFFF

    def _write(self, space: Space, address: int, data: bytes) -> None:
        if space == Space.MEMORY:
            self._target.write_memory(address, data)
            return
        for i in range(0, len(data), 4):
            self._target.write_register(address + i, int.from_bytes(data[i : i + 4], "little"))
