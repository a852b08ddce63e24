"""Byte stuffing in software: messages to wire bytes and back, in step again after any garbage."""

from __future__ import annotations

from .frame import CRC_BYTES, END, ESCAPE, FLIP, HEADER_BYTES, crc

__all__ = ["Unstuffer", "stuff"]

_END, _ESCAPE = bytes([END]), bytes([ESCAPE])
_STUFFED_END = bytes([ESCAPE, END ^ FLIP])
_STUFFED_ESCAPE = bytes([ESCAPE, ESCAPE ^ FLIP])


def stuff(message: bytes) -> bytes:
    """Wire bytes of the frame with this header and payload: CRC added, stuffed, delimited.

    Examples
    --------
    >>> stuff(bytes(7) + b"\\x7e").hex(" ")
    '7e 00 00 00 00 00 00 00 7d 5e 52 83 9f d2 7e'
    """
    raw = message + crc(message)
    return _END + raw.replace(_ESCAPE, _STUFFED_ESCAPE).replace(_END, _STUFFED_END) + _END


class Unstuffer:
    """Receives wire bytes and gives the messages of the frames among them.

    Parameters
    ----------
    limit : int
        Bytes of the longest frame worth keeping; longer garbage is thrown away as it comes.
    """

    def __init__(self, limit: int = 1 << 17) -> None:
        self._limit = limit
        self._partial = bytearray()

    def feed(self, received: bytes) -> list[bytes | None]:
        """Messages that these bytes complete, in order; None for each damaged frame."""
        *complete, rest = received.split(_END)
        messages: list[bytes | None] = []
        for piece in complete:
            raw = bytes(self._partial) + piece
            self._partial.clear()
            if raw:
                messages.append(_unpack(raw))
        self._partial += rest
        if len(self._partial) > self._limit:
            del self._partial[1:]  # one byte remains, so that the end of it counts as damaged
        return messages

    def clear(self) -> None:
        """Forget what came of a frame not yet complete."""
        self._partial.clear()


def _unpack(raw: bytes) -> bytes | None:
    first, *rest = raw.split(_ESCAPE)
    if rest and not rest[-1]:  # ended within an escape
        return None
    # Like the gateware: of several ESCAPEs in a row, only the last one counts.
    parts = [bytes([part[0] ^ FLIP]) + part[1:] for part in rest if part]
    message = b"".join([first, *parts])
    body, end = message[:-CRC_BYTES], message[-CRC_BYTES:]
    return body if len(body) >= HEADER_BYTES and crc(body) == end else None
