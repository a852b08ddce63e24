from __future__ import annotations

import numpy as np
import pytest

from lutra.host.llm import ByteTokenizer
from lutra.host.llm.corpus import CorpusError, SourceFile
from lutra.host.llm.windows import Windows


def files(*, tests: bool, validation: bool = True) -> list[SourceFile]:
    """Files of distinct text, enough for both parts."""
    folder = "test/" if tests else ""
    made = [SourceFile(f"m{n}.py", f"value_{n} = {n}\n" * 40) for n in range(400)]
    made = [file for file in made if validation or not file.is_validation]
    return made + [SourceFile(f"{folder}t{n}.py", f"check({n})\n" * 40) for n in range(9)]


@pytest.mark.parametrize("tests", [True, False])
def test_windows_are_text_of_the_training_files(tokenizer: ByteTokenizer, tests: bool) -> None:
    given = files(tests=tests)
    windows = Windows(given, tokenizer, context=16, seed=5)
    whole = "".join(file.text for file in given if not file.is_validation)
    for row in windows.batch(50):
        assert row.shape == (17,)
        assert all(part in whole for part in tokenizer.decode(row).split("\n"))
    held_in = "".join(file.text for file in given if file.is_validation)
    for row in windows.validation(4):
        assert all(part in held_in for part in tokenizer.decode(row).split("\n"))


def test_same_seed_same_windows(tokenizer: ByteTokenizer) -> None:
    given = files(tests=True)
    batches = [Windows(given, tokenizer, context=16, seed=s).batch(8) for s in (1, 1, 2)]
    assert np.array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[0], batches[2])


def test_too_little_text(tokenizer: ByteTokenizer) -> None:
    with pytest.raises(CorpusError, match="library files hold 0 tokens"):
        Windows([], tokenizer, context=16, seed=1)
    with pytest.raises(CorpusError, match="validation files hold 0 tokens"):
        Windows(files(tests=False, validation=False), tokenizer, context=16, seed=1)
