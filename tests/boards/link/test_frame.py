"""The frame in software: CRC, header, stuffing, and being in step again after garbage."""

import random

import pytest

from lutra.boards.link.frame import (
    CRC,
    END,
    ESCAPE,
    HEADER_BYTES,
    OVERHEAD_BYTES,
    Command,
    Header,
    Status,
    crc,
    pack_header,
    unpack_header,
)
from lutra.boards.link.stuffing import Unstuffer, stuff


def test_crc_is_the_one_of_the_gateware():
    rng = random.Random(1)
    for size in (0, 1, 8, 77):
        message = rng.randbytes(size)
        assert int.from_bytes(crc(message), "little") == CRC.compute(message)


def test_header_is_the_layout():
    raw = pack_header(0x21, 7, 300, 0x1234_5678)
    assert len(raw) == HEADER_BYTES
    fields = Header.from_bits(int.from_bytes(raw, "little"))
    assert (fields.code, fields.sequence, fields.count) == (0x21, 7, 300)
    assert fields.address == 0x1234_5678
    assert unpack_header(raw) == (0x21, 7, 300, 0x1234_5678)


def test_replies_differ_from_requests():
    assert not {int(c) for c in Command} & {int(s) for s in Status}


def test_every_message_survives_stuffing():
    rng = random.Random(2)
    for _ in range(300):
        nasty = [END, ESCAPE, END ^ 32, ESCAPE ^ 32, rng.randrange(256)]
        message = bytes(rng.choices(nasty, k=rng.randrange(HEADER_BYTES, 60)))
        wire = stuff(message)
        assert wire[0] == wire[-1] == END
        assert END not in wire[1:-1]
        assert Unstuffer().feed(wire) == [message]


def test_size_on_the_wire():
    assert len(stuff(bytes(HEADER_BYTES) + b"abc")) == OVERHEAD_BYTES + 3


def test_in_step_after_garbage_and_in_pieces():
    rng, unstuffer = random.Random(3), Unstuffer()
    for _ in range(200):
        message = rng.randbytes(rng.randrange(HEADER_BYTES, 40))
        wire = rng.randbytes(rng.randrange(20)) + stuff(message)
        found = []
        while wire:
            cut = rng.randrange(1, 9)
            found += unstuffer.feed(wire[:cut])
            wire = wire[cut:]
        assert found[-1] == message
        assert set(found[:-1]) <= {None}


@pytest.mark.parametrize("kind", ["corrupt", "drop", "duplicate"])
def test_damage_to_one_byte_never_gives_another_message(kind: str):
    message = bytes(range(100, 140))
    wire = stuff(message)
    for i in range(1, len(wire) - 1):
        byte = wire[i : i + 1]
        changed = {"corrupt": bytes([wire[i] ^ 0x41]), "drop": b"", "duplicate": byte * 2}
        bad = wire[:i] + changed[kind] + wire[i + 1 :]
        healed = kind == "duplicate" and byte == bytes([ESCAPE])  # the second one counts
        assert set(Unstuffer().feed(bad)) == ({message} if healed else {None})


def test_endless_garbage_takes_no_memory():
    unstuffer = Unstuffer(limit=100)
    for _ in range(50):
        assert unstuffer.feed(b"x" * 90) == []
    assert len(unstuffer._partial) <= 190
    assert unstuffer.feed(bytes([END]) + stuff(bytes(8))) == [None, bytes(8)]
