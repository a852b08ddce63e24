from __future__ import annotations

import json
import lzma
import math
from pathlib import Path

import numpy as np
import pytest

from lutra.host.llm import Checkpoint, Decoder, save_checkpoint
from lutra.host.llm import evaluate as evaluation
from lutra.host.llm.corpus import (
    HELD_OUT,
    CorpusError,
    SourceFile,
    held_out_files,
    training_files,
)

TEXT = 'def double(x):\n    """Return twice x."""\n    return 2 * x\n' * 4


def test_bits_equal_a_step_by_step_sum(tiny: Checkpoint) -> None:
    text = TEXT[:60]
    tokens = tiny.tokenizer.encode(text)
    assert len(tokens) <= tiny.config.context
    decoder = Decoder(tiny)
    logits, bits = decoder.prefill([tiny.tokenizer.bos]).astype(np.float64), 0.0
    for token in tokens:
        bits += (np.logaddexp.reduce(logits) - logits[token]) / math.log(2.0)
        logits = decoder.step(token).astype(np.float64)
    assert evaluation.model_bits(decoder, tiny.tokenizer, text) == pytest.approx(bits, rel=1e-9)


def test_windows_code_every_token_once(tiny: Checkpoint) -> None:
    class Uniform(Decoder):
        def logits(self, hidden: np.ndarray) -> np.ndarray:
            return np.zeros((len(hidden), self.config.vocabulary), np.float32)

    for length in (1, 2, 40, 90, 120, len(TEXT)):
        tokens = len(tiny.tokenizer.encode(TEXT[:length]))
        bits = evaluation.model_bits(Uniform(tiny), tiny.tokenizer, TEXT[:length])
        assert bits == pytest.approx(9.0 * tokens)
    assert evaluation.model_bits(Uniform(tiny), tiny.tokenizer, "") == 0.0


def test_scores_and_results(tiny: Checkpoint) -> None:
    files = [SourceFile("a.py", TEXT), SourceFile("b.py", "x = 1\n"), SourceFile("c.py", "")]
    scores = evaluation.evaluate(Decoder(tiny), tiny.tokenizer, files)
    assert [score.path for score in scores] == ["a.py", "b.py"]
    assert scores[0].xz == 8 * len(lzma.compress(TEXT.encode(), preset=9)) / len(TEXT)
    rows = {row["name"]: row["value"] for row in evaluation.results(scores)["results"]}
    model, xz = evaluation.mean_scores(scores)
    assert (
        rows["llm.bits_per_character.model"]
        == model
        == pytest.approx((scores[0].model + scores[1].model) / 2)
    )
    assert rows["llm.bits_per_character.xz"] == xz
    assert "average over files" in evaluation.table(scores)


def test_command_prints_json(
    tiny: Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_checkpoint(tmp_path / "tiny.gguf", tiny)
    monkeypatch.setattr(evaluation, "held_out_files", lambda library: [SourceFile("a.py", TEXT)])
    evaluation.main(["--model", str(tmp_path / "tiny.gguf"), "--json"])
    rows = json.loads(capsys.readouterr().out)["results"]
    assert {"name", "value", "unit"} == set(rows[0])


def test_held_out_modules_are_not_trained_on() -> None:
    training = training_files()
    paths = {file.path for file in training}
    assert len(HELD_OUT) >= 12
    assert [file.path for file in held_out_files()] == list(HELD_OUT)
    assert not paths.intersection(HELD_OUT)
    assert not any(Path(path).name in {"test_csv.py", "test_heapq.py"} for path in paths)
    assert any(file.is_validation for file in training)


def test_copies_of_held_out_modules_are_left_out(tmp_path: Path) -> None:
    for file in held_out_files():
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).write_text(file.text, encoding="utf-8", newline="")
    half = (tmp_path / "csv.py").read_text(encoding="utf-8")[:9000]
    (tmp_path / "copied.py").write_text(half, encoding="utf-8")
    (tmp_path / "own.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "numbers.py").write_text("x = 123456789\n", encoding="utf-8")
    assert [file.path for file in training_files(library=tmp_path)] == ["own.py"]


def test_missing_library(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a folder"):
        held_out_files(library=tmp_path / "none")
    with pytest.raises(CorpusError, match=r"'bisect\.py' is not readable"):
        held_out_files(library=tmp_path)
