"""Cutting a transfer into frames, whatever the sizes and whatever is lost."""

import random

import pytest

from lutra.boards.link.frame import SEQUENCES, Command
from lutra.boards.link.stuffing import Unstuffer
from lutra.host.link_transfer import Transfer

SIZE = 3000


def test_pieces_of_a_write():
    data = bytes(range(100))
    transfer = Transfer(Command.WRITE_MEMORY, 1000, 100, data=data, sequence=254)
    first, wire = transfer.cut(64)
    assert first.key == (254, 64, 1000)
    assert Unstuffer().feed(wire)[0][8:] == data[:64]
    second, _ = transfer.cut(64)
    assert second.key == (255, 36, 1064)
    assert not transfer.more
    assert transfer.confirm(second, b"")  # which says that the first one was done, too
    assert transfer.complete
    assert transfer.sequence == 0


def test_a_missing_reply_to_a_read():
    transfer = Transfer(Command.READ_MEMORY, 0, 8, sequence=0)
    first, second = transfer.cut(4)[0], transfer.cut(4)[0]
    assert not transfer.confirm(second, b"5678")
    transfer.go_back()
    assert transfer.cut(4)[0] == first
    assert transfer.confirm(first, b"1234")
    assert transfer.confirm(second, b"5678")
    assert bytes(transfer.received) == b"12345678"


def test_registers_are_never_cut():
    transfer = Transfer(Command.READ_LINK, 0, 32, sequence=0)
    assert transfer.cut(16)[0].count == 32


@pytest.mark.parametrize("seed", range(40))
def test_any_cut_after_any_loss_writes_the_right_bytes(seed: int):
    """The device executes what is next in line and confirms what is old; sizes are arbitrary."""
    rng = random.Random(seed)
    data, memory = rng.randbytes(SIZE), bytearray(SIZE)
    start = rng.randrange(SEQUENCES)
    transfer = Transfer(Command.WRITE_MEMORY, 0, SIZE, data=data, sequence=start)
    expected = start
    while not transfer.complete:
        answered = []
        for _ in range(rng.randrange(1, 9)):
            if not transfer.more:
                break
            piece, wire = transfer.cut(rng.choice([1, 7, 16, 100, 400]))
            if rng.random() < 0.2:
                continue  # the request is lost
            distance = (piece.sequence - expected) % SEQUENCES
            if 0 < distance < SEQUENCES // 2:
                continue  # MISSED
            if distance == 0:
                memory[piece.address : piece.address + piece.count] = Unstuffer().feed(wire)[0][8:]
                expected = (expected + 1) % SEQUENCES
            if rng.random() < 0.5:
                answered.append(piece)  # of the others, the reply is lost
        for piece in answered:
            transfer.confirm(piece, b"")
        transfer.go_back()
    assert memory == data
    assert transfer.sequence == expected
