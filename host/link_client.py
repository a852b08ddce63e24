"""The driver's end of the host link: keeps frames under way until all of a transfer is through."""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from ..boards.link.frame import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    SEQUENCES,
    Command,
    LinkWord,
    Status,
    pack_header,
    unpack_header,
)
from ..boards.link.stuffing import Unstuffer, stuff
from .errors import TransportError
from .link_errors import BoardResetError, NoAnswerError, WrongDeviceError
from .link_transfer import Piece, Transfer

__all__ = ["BytePort", "LinkClient", "LinkStatistics"]

#: Bytes of a piece: the smallest that a bad line makes it; the first. Good ones in a row make it
#: larger.
_SMALLEST, _FIRST_SIZE, _GROW_AFTER = 16, 128, 8

#: Frames under way at once; as many as the device queues. A failure makes all of them go again, so
#: that on a bad line fewer get further.
_WINDOW = 8

#: Bytes of replies under way at once: what a serial port of the system holds without being read.
_REPLY_BYTES = 2048


class BytePort(Protocol):
    """A serial line. Its functions raise `LinkLostError` once it is gone."""

    def write(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def read(self, timeout: float) -> bytes:
        """What has come; waits up to `timeout` seconds for the first byte."""
        ...


@dataclass
class LinkStatistics:
    """What happened on the link so far."""

    requests: int = 0  #: frames sent
    confirmed: int = 0  #: of those, answered in time
    damaged: int = 0  #: frames that came damaged, at either end
    timeouts: int = 0  #: waits in which nothing came
    stale: int = 0  #: good replies that nobody waited for any more


@dataclass
class LinkClient:
    """Reads and writes through a `BytePort`.

    Parameters
    ----------
    port : BytePort
    byte_time : float
        Seconds that a byte takes on the line.
    reply_time : float
        Seconds, beyond what the bytes take, after which a frame that was not answered is sent
        again: the latency of port and device.
    patience : float
        Seconds without any progress after which to give up.

    Attributes
    ----------
    statistics : LinkStatistics
    """

    port: BytePort
    byte_time: float
    reply_time: float = 0.05
    patience: float = 2.0
    statistics: LinkStatistics = field(default_factory=LinkStatistics)

    def __post_init__(self) -> None:
        self._unstuffer = Unstuffer()
        self._inbox: deque[bytes | None] = deque()
        # Each with the generation that it was sent in: after a failure, those still under way are
        # of an earlier one. They take up room and will be answered, but nobody waits for them.
        self._under_way: deque[tuple[int, Piece]] = deque()
        self._generation = 0
        self._sequence = 0
        self._buffer_bytes = 256  # until the device has told its own
        self._size, self._window, self._good = _FIRST_SIZE, _WINDOW, 0
        self._heard = 0

    def hello(self) -> None:
        """Make the device count from a new sequence number.

        Raises
        ------
        NoAnswerError
            Nothing came.
        WrongDeviceError
            Something came, but no answer.
        """
        sequence, nonce = secrets.randbelow(SEQUENCES), secrets.randbits(32)
        wire = stuff(pack_header(Command.HELLO, sequence, 0, nonce))
        wanted = pack_header(Status.OK, sequence, 0, nonce)
        give_up = time.monotonic() + self.patience
        self._heard, echoed = 0, False
        while time.monotonic() < give_up:
            self.port.write(wire)
            again = time.monotonic() + self.reply_time + 2 * len(wire) * self.byte_time
            while (left := min(again, give_up) - time.monotonic()) > 0:
                message = self._receive(left)
                echoed |= message == pack_header(Command.HELLO, sequence, 0, nonce)
                if message == wanted:
                    self._sequence = (sequence + 1) % SEQUENCES
                    self._under_way.clear()
                    return
        if echoed:
            raise WrongDeviceError("no board answers: the port returns what is sent to it")
        if self._heard:
            raise WrongDeviceError(
                f"{self._heard} bytes came, but no answer: another device, or another baud rate"
            )
        raise NoAnswerError(f"nothing came within {self.patience:g} s")

    def learn(self) -> dict[LinkWord, int]:
        """What the device says of itself; from now on frames make use of its buffer.

        Raises
        ------
        TransportError
        """
        raw = self.transfer(Command.READ_LINK, 0, 4 * len(LinkWord))
        words = {w: int.from_bytes(raw[w : w + 4], "little") for w in LinkWord}
        self._buffer_bytes = max(64, words[LinkWord.BUFFER_BYTES])
        return words

    def transfer(self, command: Command, address: int, size: int, data: bytes = b"") -> bytes:
        """Read `size` bytes, or write `data`; every byte is written exactly once.

        Raises
        ------
        NoAnswerError
            There was no progress for as long as `patience`.
        BoardResetError
            The device knows nothing of us any more.
        TransportError
            The device refused.
        """
        transfer = Transfer(command, address, size, data=data, sequence=self._sequence)
        self._generation += 1
        progress = time.monotonic()
        while not transfer.complete:
            self._send(transfer)
            missing = self._reply(transfer)
            if missing is None:
                progress = time.monotonic()
            elif time.monotonic() - progress > self.patience:
                raise NoAnswerError(self._silence())
            if missing:
                transfer.go_back()
                self._generation += 1
                self._size, self._good = max(_SMALLEST, self._size // 2), 0
                self._window = max(1, self._window // 2)
        self._sequence = transfer.sequence
        return bytes(transfer.received)

    # -- sending ---------------------------------------------------------------------------------

    def _send(self, transfer: Transfer) -> None:
        """Fill the window."""
        while transfer.more:
            requests = sum(piece.request for _, piece in self._under_way)
            replies = sum(piece.reply for _, piece in self._under_way)
            # One frame may be as long as it likes to be; more than one have to fit.
            largest = 2 * (self._size + OVERHEAD_BYTES)
            full = requests + largest > self._buffer_bytes or replies + largest > _REPLY_BYTES
            if self._under_way and (full or len(self._under_way) >= self._window):
                return
            most = min(self._size, self._buffer_bytes // 4)
            piece, wire = transfer.cut(most)
            self._under_way.append((self._generation, piece))
            self.statistics.requests += 1
            self.port.write(wire)

    # -- receiving -------------------------------------------------------------------------------

    def _reply(self, transfer: Transfer) -> bool | None:
        """Wait for one reply. None: it brought progress. True: something was lost."""
        pending = sum(piece.request + piece.reply for _, piece in self._under_way)
        message = self._receive(self.reply_time + 1.5 * pending * self.byte_time)
        if message == b"":
            self.statistics.timeouts += 1
            self._under_way.clear()
            return True
        code = sequence = count = address = 0
        if message is not None:
            code, sequence, count, address = unpack_header(message)
        if message is None or code == Status.DAMAGED:
            # Replies come in the order of the requests: this one belongs to the oldest.
            self.statistics.damaged += 1
            return self._lost(1)
        place = next((i for i, (_, piece) in enumerate(self._under_way)
                      if piece.key == (sequence, count, address)), None)  # fmt: skip
        if place is None:
            self.statistics.stale += 1
            return False
        generation, piece = self._under_way[place]
        self._lost(place)  # answers come in order: these had none
        self._under_way.popleft()
        if generation != self._generation:
            self.statistics.stale += 1
            return False
        if code == Status.MISSED:
            return True
        if code == Status.FRESH:
            raise BoardResetError("the board was reset meanwhile; open it again")
        if code != Status.OK:
            raise TransportError(
                f"the board refused {transfer.command.name} of {count} bytes at {address:#x} "
                f"(answer {code:#x})"
            )
        if not transfer.confirm(piece, message[HEADER_BYTES:]):
            return True
        self.statistics.confirmed += 1
        self._good += 1
        if self._good >= _GROW_AFTER:
            self._good = 0
            self._size = min(2 * self._size, self._buffer_bytes // 4)
            self._window = min(2 * self._window, _WINDOW)
        return None

    def _lost(self, count: int) -> bool:
        """Give up the oldest frames under way; whether anybody waits for one of them."""
        oldest = [self._under_way.popleft() for _ in range(min(count, len(self._under_way)))]
        return any(generation == self._generation for generation, _ in oldest)

    def _receive(self, timeout: float) -> bytes | None:
        """The next message; None for a damaged one, empty where nothing came in time."""
        give_up = time.monotonic() + timeout
        while not self._inbox:
            left = give_up - time.monotonic()
            if left <= 0:
                return b""
            received = self.port.read(left)
            self._heard += len(received)
            self._inbox.extend(self._unstuffer.feed(received))
        return self._inbox.popleft()

    def _silence(self) -> str:
        s = self.statistics
        return (
            f"no progress for {self.patience:g} s; so far {s.requests} frames were sent, "
            f"{s.damaged} came damaged, {s.timeouts} were not answered"
        )
