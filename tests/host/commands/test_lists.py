from __future__ import annotations

import pytest

from lutra.boards.density.targets import StudyError
from lutra.host.commands.lists import joined, names_of, numbers_of


def test_names():
    assert names_of("ecp5, asic,", "targets", ["asic", "ecp5"]) == ["ecp5", "asic"]


@pytest.mark.parametrize("text", ["x", "asic,x", "x "])
def test_unknown_names(text: str):
    with pytest.raises(StudyError, match="targets must be of asic, ecp5, not 'x'"):
        names_of(text, "targets", ["asic", "ecp5"])


def test_no_name():
    with pytest.raises(StudyError, match="not ','"):
        names_of(",", "targets", ["asic"])


def test_numbers():
    assert numbers_of("4, 8,16", "lanes") == (4, 8, 16)
    assert numbers_of(joined((1, 2)), "rows") == (1, 2)


@pytest.mark.parametrize("text", ["", ",", "0", "-4", "4;8", "4.0", "four", "²"])
def test_no_numbers(text: str):
    with pytest.raises(StudyError, match="lanes must be numbers from 1"):
        numbers_of(text, "lanes")
