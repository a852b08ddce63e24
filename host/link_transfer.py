"""One read or write as a series of frames: cut to size, repeated until all of it is through."""

from __future__ import annotations

from dataclasses import dataclass

from ..boards.link.frame import OVERHEAD_BYTES, SEQUENCES, Command, pack_header
from ..boards.link.stuffing import stuff

__all__ = ["Piece", "Transfer"]


@dataclass(frozen=True)
class Piece:
    """One frame of a transfer.

    Attributes
    ----------
    sequence, count, address : int
        As in its header; the reply has the same.
    request, reply : int
        Bytes on the line, more where some have to be stuffed.
    """

    sequence: int
    count: int
    address: int
    request: int
    reply: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What a reply to it echoes."""
        return self.sequence, self.count, self.address


class Transfer:
    """What is left of a transfer, and its next piece.

    Pieces bear successive sequence numbers. After a failure all that are not through are cut and
    sent anew, from the first one on and with the same numbers, maybe smaller. The device may have
    executed some of the old ones: it confirms their numbers and does nothing. That is right
    as long as a number never comes to stand for bytes that none of its pieces so far, nor one of
    the numbers before, has held; so the end of a number's piece is never moved up
    (`_ends`). Reads are done anew in any case.

    Parameters
    ----------
    command : Command
    address : int
    size : int
        Bytes.
    data : bytes, optional
        To write.
    sequence : int
        Number of the first piece.

    Attributes
    ----------
    received : bytearray
        What was read so far, in order.
    """

    def __init__(
        self, command: Command, address: int, size: int, *, sequence: int, data: bytes = b""
    ) -> None:
        self.command, self._address, self._size, self._data = command, address, size, data
        self._whole = command not in (Command.READ_MEMORY, Command.WRITE_MEMORY)
        self._done = self._next = 0  # bytes that are through; bytes that are cut
        self._first = self._number = sequence  # of the first piece not through; of the next one
        self._ends: dict[int, int] = {}
        self.received = bytearray()

    @property
    def complete(self) -> bool:
        """Whether everything is through."""
        return self._done == self._size

    @property
    def sequence(self) -> int:
        """Number of the first piece that is not through."""
        return self._first % SEQUENCES

    @property
    def more(self) -> bool:
        """Whether there is a piece to send."""
        return self._next < self._size

    def cut(self, most: int) -> tuple[Piece, bytes]:
        """The next piece, of at most so many bytes (registers are not cut), and its wire bytes."""
        begin = self._next
        end = self._size if self._whole else min(begin + most, self._size)
        end = min(end, self._ends.get(self._number, end))
        self._ends[self._number] = end
        address, count = self._address + begin, end - begin
        number = self._number % SEQUENCES
        payload = self._data[begin:end] if self.command.writes else b""
        wire = stuff(pack_header(self.command, number, count, address) + payload)
        reply = OVERHEAD_BYTES + (0 if self.command.writes else count)
        self._next, self._number = end, self._number + 1
        return Piece(number, count, address, len(wire), reply), wire

    def confirm(self, piece: Piece, data: bytes) -> bool:
        """A piece is through. False where the reply to an earlier read is missing."""
        begin = piece.address - self._address
        if begin < self._done:
            return True
        if not self.command.writes:
            if begin > self._done:
                return False
            self.received += data
        # A write that was done says that all before it were.
        self._done = begin + piece.count
        self._first += (piece.sequence - self._first) % SEQUENCES + 1
        return True

    def go_back(self) -> None:
        """Cut everything that is not through anew."""
        self._next, self._number = self._done, self._first
