"""``lutra bench elements``: the shipped language model on every processing element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from ...gen.config_names import load_config
from ...hw.config import Config
from ..accelerator import Accelerator
from ..llm.backend import BackendMismatchError
from ..llm.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from ..llm.corpus import held_out_files
from ..llm.decoder import Decoder
from ..llm.evaluate import model_bits
from ..llm.quantised_backend import QuantisedTablesBackend
from ..llm.session import Session
from ..table_error import table_error
from .consoles import notes_console, results_console
from .figures import Figure, print_figures
from .lists import parts_of

__all__ = ["bench_elements"]

_CONFIGS = ("w2a8", "w1p58a8", "w2a2_bitserial", "w2a8_add", "w2a8_mac", "w2a8_q8")


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What one element did."""

    config: Config
    tokens: list[int]
    cycles: float  # a token
    utilisation: float
    bits_per_character: float
    table_error: float


def bench_elements(
    configs: Annotated[
        str, typer.Option(help="Configurations, separated by commas; the first is the reference.")
    ] = ",".join(_CONFIGS),
    device: Annotated[
        str, typer.Option(help="golden takes cycles from the cycle model, sim counts them.")
    ] = "golden",
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = "def ",
    tokens: Annotated[int, typer.Option(min=2, help="Tokens to write, likeliest first.")] = 16,
    characters: Annotated[
        int, typer.Option(min=1, help="Characters of each held-out module to code.")
    ] = 1000,
    model: Annotated[
        Path, typer.Option(help="GGUF file of the model.", show_default="the shipped one")
    ] = SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Write text with the language model on every element, and code held-out text.

    Exact elements have to compute every integer, and so every token, like NumPy; it is an error
    if they do not. Quantised tables round: what that costs is told in bits per character, and as
    error of random products. plane_macs_per_cycle: one-bit MACs of the weights (2 bits a ternary
    weight, 8 a weight of the head) over cycles, the same work on every element.
    """
    names = parts_of(configs)
    checkpoint = load_checkpoint(model)
    notes = notes_console()
    rows: dict[str, _Row] = {}
    exact_bits: float | None = None
    with notes.status("...") as status:
        for name in names:
            config = load_config(name)
            status.update(f"{name}: writing")
            session, written = _write(checkpoint, config, device, prompt, tokens)
            if not config.table_bits and exact_bits is None:
                status.update("exact elements: coding the held-out modules")
                exact_bits = _bits(Decoder(checkpoint), checkpoint, characters)
            if config.table_bits:
                status.update(f"{name}: coding the held-out modules")
                decoder = Decoder(checkpoint, backend=QuantisedTablesBackend(config))
                bits = _bits(decoder, checkpoint, characters)
            else:
                bits = exact_bits if exact_bits is not None else math.nan
            rows[name] = _Row(
                config=config,
                tokens=written,
                cycles=session.text.per_token("cycles"),
                utilisation=session.text.utilisation,
                bits_per_character=bits,
                table_error=table_error(config).relative_rms if config.table_bits else 0.0,
            )
    _check_tokens(rows)
    macs, plane_macs = _macs(checkpoint)
    if as_json:
        print_figures(_figures(rows, macs, plane_macs), as_json=True, title="")
        return
    console = results_console()
    console.print(_table(rows, plane_macs))
    for name, row in rows.items():
        if row.config.table_bits:
            error = table_error(row.config)
            console.print(
                f"{name}: entries of {row.config.stored_entry_bits} bits for "
                f"{row.config.entry_bits}; random products off by {error.relative_rms:.3%} "
                f"(root mean square), {error.relative_max:.3%} at most"
            )


def _write(
    checkpoint: Checkpoint, config: Config, device: str, prompt: str, count: int
) -> tuple[Session, list[int]]:
    with Accelerator.open(device, config=config) as accelerator:
        session = Session(checkpoint, accelerator, check=not config.table_bits)
        return session, list(session.write(prompt, count=count))


def _bits(decoder: Decoder, checkpoint: Checkpoint, characters: int) -> float:
    """Average over held-out modules of bits per character of their beginnings."""
    scores = []
    for file in held_out_files():
        if text := file.text[:characters]:
            scores.append(model_bits(decoder, checkpoint.tokenizer, text) / len(text))
    return float(np.mean(scores))


def _check_tokens(rows: dict[str, _Row]) -> None:
    exact = {name: row.tokens for name, row in rows.items() if not row.config.table_bits}
    first = next(iter(exact), None)
    for name, written in exact.items():
        if first is not None and written != exact[first]:
            raise BackendMismatchError(f"{name} wrote other tokens than {first}")


def _macs(checkpoint: Checkpoint) -> tuple[int, int]:
    """MACs a token of whole weights, and of weight bits."""
    config = checkpoint.config
    head = config.vocabulary * config.width
    return config.ternary_weights + head, 2 * config.ternary_weights + 8 * head


def _figures(rows: dict[str, _Row], macs: int, plane_macs: int) -> list[Figure]:
    figures = []
    reference = next(iter(rows.values())).tokens
    for name, row in rows.items():
        figures += [
            Figure(f"elements.{name}.cycles_per_token", row.cycles, "cycle/token"),
            Figure(f"elements.{name}.plane_macs_per_cycle", plane_macs / row.cycles, "MAC/cycle"),
            Figure(f"elements.{name}.macs_per_cycle", macs / row.cycles, "MAC/cycle"),
            Figure(f"elements.{name}.utilisation", row.utilisation, "1"),
            Figure(f"elements.{name}.bits_per_character", row.bits_per_character, "bit/character"),
            Figure(f"elements.{name}.same_tokens", float(row.tokens == reference), "1"),
        ]
        if row.config.table_bits:
            figures += [
                Figure(f"elements.{name}.table_entry_bits", row.config.stored_entry_bits, "bit"),
                Figure(f"elements.{name}.exact_entry_bits", row.config.entry_bits, "bit"),
                Figure(f"elements.{name}.random_product_rms_error", row.table_error, "1"),
            ]
    return figures


def _table(rows: dict[str, _Row], plane_macs: int) -> Table:
    table = Table(title="the shipped language model, token by token", title_justify="left")
    table.add_column("configuration", no_wrap=True)
    for header in ("cycle/token", "plane-MAC/cycle", "busy", "bit/char", "tokens"):
        table.add_column(header, justify="right", no_wrap=True)
    reference: Sequence[int] = next(iter(rows.values())).tokens
    for name, row in rows.items():
        table.add_row(
            name, f"{row.cycles:,.0f}", f"{plane_macs / row.cycles:.1f}",
            f"{row.utilisation:.1%}", f"{row.bits_per_character:.4f}",
            "same" if row.tokens == reference else "others",
        )  # fmt: skip
    return table
