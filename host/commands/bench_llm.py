"""``lutra bench llm``: bits per character of the shipped model, next to ``xz -9``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..llm.checkpoint import SHIPPED, load_checkpoint
from ..llm.corpus import held_out_files
from ..llm.decoder import Decoder
from ..llm.evaluate import evaluate, results, table
from .consoles import notes_console

__all__ = ["bench_llm"]


def bench_llm(
    model: Annotated[
        Path, typer.Option(help="GGUF file of the model.", show_default="the shipped one")
    ] = SHIPPED,
    cache_bits: Annotated[
        int | None, typer.Option(min=2, max=8, help="Width of keys and values; float by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Code held-out modules of this Python's standard library with the model and with xz.

    The model runs in NumPy, whose integers are those of the hardware; every file counts the same
    in the averages.
    """
    checkpoint = load_checkpoint(model)
    notes = notes_console()
    with notes.status("coding the held-out modules ..."):
        scores = evaluate(
            Decoder(checkpoint, cache_bits=cache_bits), checkpoint.tokenizer, held_out_files()
        )
    print(json.dumps(results(scores), indent=2) if as_json else table(scores))
