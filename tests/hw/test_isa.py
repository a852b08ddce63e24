"""Instructions: encoding and decoding are inverse, and bad fields have names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.hw.isa import INSTRUCTION_BITS, LAYOUTS, MAX_PLANES, Engine, Opcode, decode, encode


@pytest.mark.parametrize("opcode", Opcode)
def test_layouts_fill_the_instruction(opcode: Opcode) -> None:
    assert LAYOUTS[opcode].size == INSTRUCTION_BITS
    assert [name for name, _ in LAYOUTS[opcode]][:3] == ["opcode", "wait", "signal"]


def _fields(opcode: Opcode):
    strategies = {}
    for name, field in LAYOUTS[opcode]:
        if name in ("opcode", "reserved"):
            continue
        if name == "planes":
            plane = st.fixed_dictionaries(
                {"shift": st.integers(0, 7), "negative": st.integers(0, 1)}
            )
            strategies[name] = st.lists(plane, min_size=MAX_PLANES, max_size=MAX_PLANES)
        elif name == "coefficient":
            strategies[name] = st.integers(-(2**15), 2**15 - 1)
        else:
            strategies[name] = st.integers(0, 2**field.width - 1)
    return st.fixed_dictionaries(strategies)


@pytest.mark.parametrize("opcode", Opcode)
def test_round_trip(opcode: Opcode) -> None:
    @given(_fields(opcode))
    def check(fields: dict) -> None:
        word = encode(opcode, **fields)
        assert 0 <= word < 1 << INSTRUCTION_BITS
        assert decode(word) == (opcode, {**fields, "reserved": 0} if "reserved" in dict(
            LAYOUTS[opcode]) else fields)  # fmt: skip

    check()


def test_encode_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"LMMA\.rows must be from 0 to 127, not 128"):
        encode(Opcode.LMMA, rows=128)
    with pytest.raises(ValueError, match="LOAD has no field 'lanes'"):
        encode(Opcode.LOAD, lanes=1)
    with pytest.raises(ValueError, match="coefficient must be from -32768 to 32767, not 40000"):
        encode(Opcode.PLANES, coefficient=40000)


@pytest.mark.parametrize("word", [0, 6, 15])
def test_decode_refuses_unknown_opcodes(word: int) -> None:
    with pytest.raises(ValueError, match=f"not {word}"):
        decode(word)


def test_engines() -> None:
    assert [o.engine for o in Opcode] == [
        Engine.LOAD, Engine.COMPUTE, Engine.COMPUTE, Engine.STORE, None
    ]  # fmt: skip
