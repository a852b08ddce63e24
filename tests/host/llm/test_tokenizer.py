from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.host.llm import ByteTokenizer, TokenizerError
from lutra.host.llm.corpus import held_out_files
from lutra.host.llm.tokenizer import BOS, byte_alphabet

PLAIN = ByteTokenizer([BOS, *byte_alphabet(), "de", "def", "Ġx"], ["d e", "de f", "Ġ x"])


def test_alphabet_is_256_distinct_printable_characters() -> None:
    alphabet = byte_alphabet()
    assert len(set(alphabet)) == 256
    assert all(character.isprintable() for character in alphabet)
    assert (alphabet[ord("a")], alphabet[ord(" ")], alphabet[ord("\n")]) == ("a", "Ġ", "Ċ")


@given(st.text())
def test_any_text_survives(text: str) -> None:
    assert PLAIN.decode(PLAIN.encode(text)) == text


@given(st.text(alphabet="def x_1'\n\t\u00e9\u00b2\u2028"))
def test_text_of_merges_survives(text: str) -> None:
    assert PLAIN.decode(PLAIN.encode(text)) == text


def test_merges_apply_lowest_rank_first() -> None:
    assert [PLAIN.tokens[token] for token in PLAIN.encode("def x")] == ["def", "Ġx"]


def test_source_survives_and_shrinks(tokenizer: ByteTokenizer) -> None:
    for file in held_out_files():
        tokens = tokenizer.encode(file.text)
        assert tokenizer.decode(tokens) == file.text
        assert len(tokens) < len(file.text) / 1.5
        assert tokenizer.bos not in tokens


def test_bos_has_no_text_and_is_never_made_from_text(tokenizer: ByteTokenizer) -> None:
    assert tokenizer.decode([tokenizer.bos]) == ""
    assert tokenizer.decode(tokenizer.encode(BOS)) == BOS


def test_broken_utf8_becomes_replacement_characters() -> None:
    assert PLAIN.decode([1 + 0xC3]) == "\ufffd"


@pytest.mark.parametrize("token", [-1, 260])
def test_token_outside_the_vocabulary(token: int) -> None:
    with pytest.raises(TokenizerError, match=f"token {token} is outside 0 ... 259"):
        PLAIN.decode([token])


@pytest.mark.parametrize(
    ("tokens", "merges", "message"),
    [
        ([BOS, *byte_alphabet(), "a"], [], "repeats"),
        ([BOS, *byte_alphabet()[:-1]], [], "lacks"),
        (byte_alphabet(), [], "lacks"),
        ([BOS, *byte_alphabet(), "a b"], [], "not a byte character"),
        ([BOS, *byte_alphabet()], ["a b"], "merge 0"),
        ([BOS, *byte_alphabet(), "ab"], ["ab"], "merge 0"),
    ],
)
def test_inconsistent_vocabulary(tokens: list[str], merges: list[str], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        ByteTokenizer(tokens, merges)
