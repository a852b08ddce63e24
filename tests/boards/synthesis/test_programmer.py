"""Loading a board: what is loaded, and what stops it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lutra.boards.registry import BOARDS, find_board
from lutra.boards.synthesis.errors import FlowToolMissingError, ProgramError
from lutra.boards.synthesis.programmer import find_bitstream, load_bitstream, loader_command
from lutra.gen.config_names import config_hash, load_config

BOARD, CONFIG = find_board("ulx3s"), load_config("tiny")


def built(root: Path, hash_of: str = "tiny") -> Path:
    folder = root / "tiny" / "ulx3s_85f"
    folder.mkdir(parents=True)
    (folder / "lutra.bit").write_bytes(b"bits")
    report = {"config_hash": config_hash(load_config(hash_of))}
    (folder / "report.json").write_text(json.dumps(report))
    return folder / "lutra.bit"


def test_what_was_built(tmp_path: Path) -> None:
    path = built(tmp_path)
    assert find_bitstream(BOARD, CONFIG, tmp_path) == path


def test_nothing_built(tmp_path: Path) -> None:
    with pytest.raises(
        ProgramError, match=r"lutra.bit does not exist: run `lutra synth tiny --board ulx3s_85f`"
    ):
        find_bitstream(BOARD, CONFIG, tmp_path)
    with pytest.raises(ProgramError, match=r"--board arty_a7`, then `vivado -mode batch"):
        find_bitstream(find_board("arty"), CONFIG, tmp_path)


def test_built_from_something_else(tmp_path: Path) -> None:
    built(tmp_path, "w2a8")
    with pytest.raises(ProgramError, match="was built from another configuration 'tiny': run"):
        find_bitstream(BOARD, CONFIG, tmp_path)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_a_loader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENFPGALOADER", raising=False)
    command = loader_command(BOARDS[name], Path("x.bit"), flash=True)
    assert command == ["openFPGALoader", "-b", BOARDS[name].loader, "-f", "x.bit"]
    assert BOARDS[name].loader


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFPGALOADER", "no-such-loader")
    with pytest.raises(
        FlowToolMissingError, match=r"no-such-loader was not found; install it .*apt"
    ):
        load_bitstream(BOARD, built(tmp_path))


@pytest.mark.parametrize("status", [0, 3])
def test_loading(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "loader.py"
    program.write_text(
        f"import sys; open({str(tmp_path / 'args')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        f"sys.exit({status})"
    )
    monkeypatch.setenv("OPENFPGALOADER", f"{sys.executable} {program}")
    path = built(tmp_path)
    if status:
        with pytest.raises(ProgramError, match="ended with status 3: is the board connected"):
            load_bitstream(BOARD, path)
    else:
        load_bitstream(BOARD, path)
    assert (tmp_path / "args").read_text() == f"-b ulx3s {path}"
