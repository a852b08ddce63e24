"""Bits per character of the shipped model on held-out source, next to ``xz -9``.

``model = -sum_t log2 p(token_t | tokens before it) / characters``, every token of the file
included: the first one is coded after the special token.  Windows overlap by half, so that each
token is judged with at least half a context before it where the file has that much.
``xz = 8 * compressed bytes / characters`` at preset 9.  Averages are over files.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .checkpoint import SHIPPED, load_checkpoint
from .corpus import SourceFile, held_out_files
from .decoder import Decoder
from .tokenizer import ByteTokenizer

__all__ = [
    "FileScore",
    "evaluate",
    "main",
    "mean_scores",
    "model_bits",
    "results",
    "table",
    "xz_bits",
]

_WINDOWS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class FileScore:
    """Bits per character of one file, by the model and by xz."""

    path: str
    characters: int
    model: float
    xz: float


def model_bits(decoder: Decoder, tokenizer: ByteTokenizer, text: str) -> float:
    """Return the bits that code ``text`` with the model's probabilities."""
    tokens = np.array([tokenizer.bos, *tokenizer.encode(text)])
    coded = len(tokens) - 1
    if not coded:
        return 0.0
    size = min(decoder.config.context, coded)
    stride = max(size // 2, 1)
    starts = [*range(0, coded - size, stride), coded - size]
    nats, done = 0.0, 0
    for group in range(0, len(starts), _WINDOWS_AT_ONCE):
        firsts = starts[group : group + _WINDOWS_AT_ONCE]
        hidden = decoder.hidden(np.stack([tokens[first : first + size] for first in firsts]))
        for row, first in zip(hidden, firsts, strict=True):
            # row t codes token first + t + 1; those up to `done` had their turn
            logits = decoder.logits(row[done - first :]).astype(np.float64)
            targets = tokens[done + 1 : first + size + 1]
            done = first + size
            logits -= logits.max(axis=-1, keepdims=True)
            chosen = logits[np.arange(len(targets)), targets]
            nats += float((np.log(np.exp(logits).sum(axis=-1)) - chosen).sum())
    return nats / math.log(2.0)


def xz_bits(text: str) -> float:
    """Return the bits of ``text`` in UTF-8 after ``xz -9``."""
    return 8.0 * len(lzma.compress(text.encode("utf-8"), preset=9))


def evaluate(
    decoder: Decoder, tokenizer: ByteTokenizer, files: Iterable[SourceFile]
) -> list[FileScore]:
    """Score ``files``, empty ones left out."""
    return [
        FileScore(
            path=file.path,
            characters=len(file.text),
            model=model_bits(decoder, tokenizer, file.text) / len(file.text),
            xz=xz_bits(file.text) / len(file.text),
        )
        for file in files
        if file.text
    ]


def mean_scores(scores: Sequence[FileScore]) -> tuple[float, float]:
    """Return the averages over files: model, xz (bits per character)."""
    return (
        float(np.mean([score.model for score in scores])),
        float(np.mean([score.xz for score in scores])),
    )


def results(scores: Sequence[FileScore]) -> dict[str, list[dict[str, object]]]:
    """Return the averages and the single files in the form of the project's result files."""
    model, xz = mean_scores(scores)
    rows: list[tuple[str, float, str]] = [
        ("llm.bits_per_character.model", model, "bit/character"),
        ("llm.bits_per_character.xz", xz, "bit/character"),
        ("llm.bits_per_character.ratio", model / xz, "1"),
        ("llm.held_out.files", len(scores), "1"),
        ("llm.held_out.characters", sum(score.characters for score in scores), "character"),
    ]
    for score in scores:
        rows.append((f"llm.bits_per_character.model[{score.path}]", score.model, "bit/character"))
        rows.append((f"llm.bits_per_character.xz[{score.path}]", score.xz, "bit/character"))
    return {"results": [{"name": n, "value": v, "unit": u} for n, v, u in rows]}


def table(scores: Sequence[FileScore]) -> str:
    """Return the scores as a text table."""
    lines = [f"{'file':<24}{'characters':>12}{'model':>9}{'xz -9':>9}  bits/character"]
    lines += [f"{s.path:<24}{s.characters:>12,}{s.model:>9.3f}{s.xz:>9.3f}" for s in scores]
    model, xz = mean_scores(scores)
    total = sum(score.characters for score in scores)
    lines.append(
        f"{'average over files':<24}{total:>12,}{model:>9.3f}{xz:>9.3f}  x{model / xz:.3f}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lutra.host.llm.evaluate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--model", type=Path, default=SHIPPED, help="model file")
    parser.add_argument("--library", type=Path, help="folder of the standard library's source")
    parser.add_argument("--json", action="store_true", help="print results as JSON")
    options = parser.parse_args(arguments)
    checkpoint = load_checkpoint(options.model)
    scores = evaluate(
        Decoder(checkpoint), checkpoint.tokenizer, held_out_files(library=options.library)
    )
    text = json.dumps(results(scores), indent=2) if options.json else table(scores)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
