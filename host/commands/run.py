"""``lutra run``: the shipped language model writes text on the generated hardware."""

from __future__ import annotations

import codecs
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..accelerator import Accelerator
from ..llm.checkpoint import SHIPPED, load_checkpoint
from ..llm.session import Session
from .consoles import notes_console, results_console

__all__ = ["run"]

_CLOCK_HZ = 100e6


def run(
    config: Annotated[str, typer.Option(help="Configuration: preset, name or TOML file.")] = "w2a8",
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = "def ",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to write at most.")] = 96,
    model: Annotated[
        Path, typer.Option(help="GGUF file of the model.", show_default="the shipped one")
    ] = SHIPPED,
    device: Annotated[str, typer.Option(help="Device: sim or golden.")] = "sim",
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token.")] = 0.7,
    top_k: Annotated[int | None, typer.Option(min=1, help="Candidates to sample from.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 4,
    check: Annotated[bool, typer.Option(help="Compare every integer with NumPy.")] = True,
    cache_bits: Annotated[
        int | None,
        typer.Option(
            min=2, max=8, help="Width of keys and values; attention then runs on the device too."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Write text with a ternary language model, every linear layer on the simulated hardware.

    The tokens appear as they are computed. Then a table says what they cost, and how many
    integers were compared with a NumPy reference.
    """
    notes = notes_console()
    checkpoint = load_checkpoint(model)
    notes.print(
        f"model: {checkpoint.config.ternary_weights:,} ternary weights, "
        f"{checkpoint.config.layers} layers; device: {device}, {config}"
    )
    started = time.perf_counter()
    with (
        notes.status("opening the device (the first time compiles its simulation) ..."),
    ):
        accelerator = Accelerator.open(device, config=config)
    opened = time.perf_counter() - started
    with accelerator:
        session = Session(checkpoint, accelerator, check=check, cache_bits=cache_bits)
        # A token may end in the middle of a character.
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        out = sys.stderr if as_json else sys.stdout
        out.write(prompt.rstrip())
        for token in session.write(
            prompt, count=tokens, temperature=temperature, top_k=top_k, seed=seed
        ):
            out.write(utf8.decode(checkpoint.tokenizer.decode_bytes([token])))
            out.flush()
        out.write(utf8.decode(b"", final=True) + "\n")
    figures = _figures(session, opened)
    if as_json:
        rows = [{"name": n, "value": v, "unit": u} for n, (v, u, _) in figures.items()]
        sys.stdout.write(json.dumps({"results": rows}, indent=2) + "\n")
        return
    table = Table(title=f"{config} on {device}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for value, unit, text in figures.values():
        shown = (
            f"{value:,.1%}" if unit == "1" else f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"
        )
        table.add_row(text, shown if unit == "1" else f"{shown} {unit}")
    results_console().print(table)
    if check:
        sys.stdout.write(
            f"checked: {session.values_compared:,} integers of {session.products:,} products, and "
            f"all {session.text.tokens + 1} tokens, equal those of the NumPy reference\n"
        )


def _figures(session: Session, opened: float) -> dict[str, tuple[float, str, str]]:
    """Name, and (value, unit, text), of every figure that the run ends with."""
    text, prompt = session.text, session.prompt
    traffic = text.per_token("bytes_read") + text.per_token("bytes_written")
    return {
        "run.tokens_per_s": (text.tokens / max(text.seconds, 1e-9), "tokens/s",
                             "simulated, tokens written"),
        "run.prompt_tokens_per_s": (prompt.tokens / max(prompt.seconds, 1e-9), "tokens/s",
                                    "simulated, prompt read"),
        "run.cycles_per_token": (text.per_token("cycles"), "cycles", "cycles a token"),
        "run.prompt_cycles_per_token": (prompt.per_token("cycles"), "cycles",
                                        "cycles a token of the prompt"),
        "run.utilisation": (text.utilisation, "1", "array busy"),
        "run.bytes_per_token": (traffic, "bytes", "memory traffic a token"),
        "run.tokens_per_s_at_100mhz": (text.tokens_per_second(_CLOCK_HZ), "tokens/s",
                                       "a device at 100 MHz"),
        "run.device_open_s": (opened, "s", "opening the device"),
        "run.values_compared": (session.values_compared, "integers", "compared with NumPy"),
    }  # fmt: skip
