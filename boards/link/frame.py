"""Frames of the host link: the one definition that gateware, model and driver share.

On the wire a frame is ``END, stuffed(header, payload, CRC), END``: bytes that equal END or ESCAPE
are sent as ESCAPE and the byte with bit 5 inverted (RFC 1662, section 4.2), so that END occurs
nowhere else and a receiver is in step again at the next frame, whatever came before. All
integers are little-endian.

A request and its reply have the same header. The reply echoes sequence number, address and count,
and has a `Status` where the request has a `Command`, so that no reply can be taken for another's.

Sequence numbers make every write happen exactly once, although either direction may lose or damage
a frame. The device executes a write only if it bears the number after the last one. A request that
is not newer than that is a repetition: its write is confirmed and not done again, its read is
done again. A number further ahead means that a frame between was lost: MISSED. HELLO sets
the number from which the device counts.
"""

from __future__ import annotations

import enum
import zlib

from amaranth.lib import data
from amaranth.lib.crc import catalog

__all__ = [
    "CRC",
    "CRC_BYTES",
    "END",
    "ESCAPE",
    "FLIP",
    "HEADER_BYTES",
    "LINK_IDENTITY",
    "OVERHEAD_BYTES",
    "REGISTER_BYTES",
    "SEQUENCES",
    "SPACES",
    "Command",
    "Header",
    "LinkWord",
    "Space",
    "Status",
    "crc",
    "pack_header",
    "unpack_header",
]

#: Ends (and, since the line may have been noisy before, also begins) a frame.
END = 0x7E
#: Announces a byte that was inverted in the bits of `FLIP`.
ESCAPE = 0x7D
FLIP = 0x20

#: CRC-32 of header and payload. Sixteen bits would be too few: under a damage of one byte in a
#: hundred, ten thousand transfers bring as many bad frames, of which one in 65,536 would pass.
CRC = catalog.CRC32_ISO_HDLC(data_width=8)
CRC_BYTES = 4

#: Sequence numbers count modulo this; a request is old if it is less than half of it behind.
SEQUENCES = 256

#: Of every request and every reply. `count` is the number of bytes read or written from `address`.
Header = data.StructLayout({"code": 8, "sequence": 8, "count": 16, "address": 32})
HEADER_BYTES = Header.size // 8

#: Bytes that a frame without payload takes on the wire (if none of them has to be stuffed).
OVERHEAD_BYTES = HEADER_BYTES + CRC_BYTES + 2

#: What the word IDENTITY reads as: "LU", and the version of this protocol.
LINK_IDENTITY = 0x4C550001

#: Bytes of the register space: the page of the core's control port.
REGISTER_BYTES = 4096


class Space(enum.IntEnum):
    """What an address means."""

    REGISTERS = 0  #: the core's control registers; whole, aligned words only
    MEMORY = 1
    LINK = 2  #: what the link says of itself (`LinkWord`); whole, aligned words, read only


class Command(enum.IntEnum):
    """Requests. The payload of a write is the data; no other request has one."""

    HELLO = 0x01  #: count from this sequence number on; the address is any number, and echoed
    READ_REGISTERS = 0x10
    WRITE_REGISTERS = 0x11
    READ_MEMORY = 0x20
    WRITE_MEMORY = 0x21
    READ_LINK = 0x30

    @property
    def writes(self) -> bool:
        """Whether it bears data."""
        return self in (Command.WRITE_REGISTERS, Command.WRITE_MEMORY)


#: The space that each command accesses.
SPACES = {
    Command.READ_REGISTERS: Space.REGISTERS,
    Command.WRITE_REGISTERS: Space.REGISTERS,
    Command.READ_MEMORY: Space.MEMORY,
    Command.WRITE_MEMORY: Space.MEMORY,
    Command.READ_LINK: Space.LINK,
}


class Status(enum.IntEnum):
    """Replies; all differ from any command, so that an echoing line is told from a device."""

    OK = 0x80  #: done; a reply to a read bears the data
    DAMAGED = 0x81  #: a frame came that was none; the rest of this header is 0
    MISSED = 0x82  #: not done: a frame before this one was lost
    FRESH = 0x83  #: not done: no HELLO since the device was reset
    REFUSED = 0x84  #: not done: unknown command, wrong length, or out of the space


class LinkWord(enum.IntEnum):
    """Byte offsets of the 32-bit words of `Space.LINK`."""

    IDENTITY = 0x00
    MEMORY_BYTES = 0x04
    CLOCK_HZ = 0x08
    BUFFER_BYTES = 0x0C  #: that frames can fill before the first of them is executed
    CYCLES = 0x10  #: clock cycles since reset, modulo 2**32
    DAMAGED = 0x14  #: frames that came damaged, modulo 2**16
    OVERFLOWS = 0x18  #: frames that found no room, modulo 2**16
    RESERVED = 0x1C


def crc(message: bytes) -> bytes:
    """The CRC that ends a frame with this header and payload, as it is sent."""
    # zlib's is this very CRC (a test compares it with CRC.compute) and a thousand times faster.
    return zlib.crc32(message).to_bytes(CRC_BYTES, "little")


_FIELDS = [(str(name), field.offset, (1 << field.width) - 1) for name, field in Header]


def pack_header(code: int, sequence: int, count: int, address: int) -> bytes:
    """Bytes of a header."""
    values = {"code": code, "sequence": sequence, "count": count, "address": address}
    bits = sum((values[name] & mask) << offset for name, offset, mask in _FIELDS)
    return bits.to_bytes(HEADER_BYTES, "little")


def unpack_header(raw: bytes) -> tuple[int, int, int, int]:
    """Code, sequence, count and address of a header."""
    bits = int.from_bytes(raw[:HEADER_BYTES], "little")
    code, sequence, count, address = (bits >> offset & mask for _, offset, mask in _FIELDS)
    return code, sequence, count, address
