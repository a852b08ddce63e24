"""Boards by name."""

import pytest

from lutra.boards.link.baud import baud_divisor
from lutra.boards.registry import BOARDS, UnknownBoardError, board_names, find_board
from lutra.gen.config_names import load_config
from lutra.hw.config import Config


def test_names():
    assert find_board("ULX3S").name == "ulx3s_85f"
    assert find_board("tang-nano-20k").name == "tang_nano_20k"
    assert find_board(BOARDS["icebreaker"]) is BOARDS["icebreaker"]
    assert set(board_names()) == set(BOARDS)


@pytest.mark.parametrize(
    ("name", "near"), [("ulx4s", "ulx3s"), ("icebraker", "icebreaker"), ("artix", "arty")]
)
def test_unknown(name: str, near: str):
    with pytest.raises(UnknownBoardError, match=r"board must be one of .*arty_a7.*\(did you mean"):
        find_board(name)
    with pytest.raises(UnknownBoardError, match=near):
        find_board(name)


def test_unknown_and_unlike_anything():
    with pytest.raises(UnknownBoardError, match=r"not 'xyzzy'$"):
        find_board("xyzzy")


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_is_complete(name: str):
    board = BOARDS[name]
    config = load_config(board.config)
    assert isinstance(config, Config)
    assert abs(board.clock_hz / baud_divisor(board.clock_hz, board.baud) - board.baud) < 1
    platform = board.create_platform()
    platform.lookup("uart", 0)
    if board.light is not None:
        platform.lookup(*board.light)
    for memory in board.memories.values():
        assert memory.size % (config.axi_bits // 8) == 0
        assert memory.size >= 6 * 4096, "programs, weights, activations, outputs: a page each"
        assert str(memory)
        if str(memory).endswith("(16M16)"):
            assert platform.lookup("sdram", 0)


def test_each_platform_builds_one_design():
    board = BOARDS["ulx3s_25f"]
    assert board.create_platform() is not board.create_platform()
