"""Train the ternary decoder on the standard library's own source and write the GGUF.

``python -m lutra.host.llm.train`` learns the tokenizer, trains, prints loss, bits per character
on held-in validation files, tokens per second and the time left, and writes the checkpoint.
The same seed, thread count and torch give the same run, unless ``--minutes`` cuts it short.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .architecture import DecoderConfig
from .checkpoint import SHIPPED, Checkpoint
from .corpus import training_files
from .model_torch import TernaryDecoder
from .muon import Muon
from .ternary import ternarise
from .tokenizer import ByteTokenizer, learn_merges
from .windows import Windows
from .writer import save_checkpoint

__all__ = ["main", "train"]

_WARM_UP_STEPS = 100
_DECAY_SHARE = 0.6  # last part of the run, over which the rate falls to zero
_MATRIX_RATE, _OTHER_RATE = 0.01, 0.008
_REPORT_STEPS, _VALIDATION_STEPS = 50, 500
_VALIDATION_WINDOWS = 64


def _rate_factor(step: int, progress: float) -> float:
    """Linear warm-up, a plateau, then a linear fall to zero at ``progress == 1``."""
    return min(1.0, (step + 1) / _WARM_UP_STEPS) * min(1.0, (1.0 - progress) / _DECAY_SHARE)


def _bits_per_character(model: Any, windows: Windows) -> float:
    nats = []
    with torch.no_grad():
        for first in range(0, _VALIDATION_WINDOWS, 8):
            rows = torch.from_numpy(windows.validation(_VALIDATION_WINDOWS)[first : first + 8])
            nats.append(float(model(rows[:, :-1], rows[:, 1:])))
    return float(np.mean(nats)) / math.log(2.0) * windows.validation_tokens_per_character


def train(
    *,
    output: Path,
    config: DecoderConfig,
    steps: int,
    rows: int,
    seed: int,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    compiled: bool = True,
) -> None:
    """Train one decoder and write it to ``output``.

    Parameters
    ----------
    output : Path
        The GGUF, written at the end.
    config : DecoderConfig
        Shape.
    steps, rows : int
        Number of updates, and windows per update.
    seed : int
        Seed of the initial weights and of the windows.
    minutes : float, optional
        Wall time after which the run ends even if steps are left; the learning rate then follows
        whichever of steps and time is further on.
    save_minutes : float
        Time between snapshots, written beside ``output`` with ``.partial`` at the end of the name.
    compiled : bool
        Compile the model with ``torch.compile`` (needs a C++ compiler).
    """
    torch.manual_seed(seed)
    partial = output.with_name(output.name + ".partial")
    files = training_files()
    library = [file.text for file in files if not file.is_test and not file.is_validation]
    tokenizer = ByteTokenizer(*learn_merges(library, vocabulary=config.vocabulary))
    windows = Windows(files, tokenizer, context=config.context, seed=seed)
    model = TernaryDecoder(config)
    print(f"{config.ternary_weights:,} ternary weights, {windows.tokens:,} tokens of text")
    forward: Any = torch.compile(model) if compiled else model
    matrices = Muon(model.matrices.parameters())
    others = torch.optim.AdamW(
        [model.embedding, *model.gains.parameters()], betas=(0.9, 0.98), weight_decay=0.0
    )
    began = saved = reported = time.monotonic()
    losses: list[float] = []
    for step in range(steps):
        elapsed = time.monotonic() - began
        progress = max(step / steps, elapsed / (60.0 * minutes) if minutes else 0.0)
        if progress >= 1.0:
            print(f"time is up after {step} steps")
            break
        factor = _rate_factor(step, progress)
        batch = torch.from_numpy(windows.batch(rows))
        loss = forward(batch[:, :-1], batch[:, 1:])
        model.zero_grad(set_to_none=True)
        loss.backward()
        matrices.step(_MATRIX_RATE * factor)
        for group in others.param_groups:
            group["lr"] = _OTHER_RATE * factor
        others.step()
        losses.append(loss.item())
        if (step + 1) % _REPORT_STEPS == 0:
            now = time.monotonic()
            speed = _REPORT_STEPS * rows * config.context / (now - reported)
            left = (now - began) * (1.0 - progress) / max(progress, 1e-9) / 60.0
            print(
                f"step {step + 1}/{steps}  loss {np.mean(losses):.4f} nats/token  "
                f"rate x{factor:.3f}  {speed:,.0f} tokens/s  {left:.1f} min left",
                flush=True,
            )
            losses.clear()
            if (step + 1) % _VALIDATION_STEPS == 0:
                bits = _bits_per_character(forward, windows)
                print(f"  held-in validation {bits:.4f} bits/character", flush=True)
            reported = time.monotonic()
        if time.monotonic() - saved > 60.0 * save_minutes:
            _save(partial, model, tokenizer)
            saved = time.monotonic()
    print(f"held-in validation {_bits_per_character(forward, windows):.4f} bits/character")
    _save(output, model, tokenizer)
    partial.unlink(missing_ok=True)
    print(f"wrote {output} after {(time.monotonic() - began) / 60.0:.1f} minutes")


def _save(output: Path, model: TernaryDecoder, tokenizer: ByteTokenizer) -> None:
    tensors = {name: tensor.float().numpy() for name, tensor in model.named_tensors().items()}
    config = model.config
    checkpoint = Checkpoint(
        config=config,
        tokenizer=tokenizer,
        matrices={name: ternarise(tensors[name]) for name in config.ternary_shapes()},
        gains={name: tensors[name].copy() for name in config.norm_shapes()},
        embedding=tensors["token_embd.weight"].astype(np.float16),
    )
    save_checkpoint(output, checkpoint)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lutra.host.llm.train", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--output", type=Path, default=SHIPPED, help="GGUF to write")
    parser.add_argument("--steps", type=int, default=12000, help="updates (default %(default)s)")
    parser.add_argument("--rows", type=int, default=8, help="windows per update")
    parser.add_argument("--context", type=int, default=512, help="tokens per window")
    parser.add_argument("--seed", type=int, default=1, help="seed (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument(
        "--minutes",
        type=float,
        default=110.0,
        help="end after this wall time at the latest; 0 for no limit (default %(default)s)",
    )
    parser.add_argument("--no-compile", action="store_true", help="do without torch.compile")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    train(
        output=options.output,
        config=DecoderConfig(context=options.context),
        steps=options.steps,
        rows=options.rows,
        seed=options.seed,
        minutes=options.minutes,
        compiled=not options.no_compile,
    )


if __name__ == "__main__":
    main()
