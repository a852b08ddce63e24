"""``lutra bench sim``: how fast the simulation is, and how near to what its model can do."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer

from ...hw.isa import Buffer, Engine, Opcode, encode
from ...hw.registers import Control, Register
from ...sim.errors import SimulationError
from ...sim.verilator_device import VerilatorDevice
from ..accelerator import Accelerator
from ..quantized_matrix import QuantizedMatrix
from .figures import Figure, print_figures

__all__ = ["bench_sim"]

_BARE_CYCLES = 200_000


def bench_sim(
    config: Annotated[str, typer.Option(help="Configuration.")] = "w2a8",
    repeat: Annotated[int, typer.Option(min=1, help="Rounds; the fastest counts.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure products of 1x4096x4096, two-bit weights, through Accelerator.matmul.

    plane_macs_per_s: 4096 * 4096 * 2 one-bit MACs over the wall-clock time of one call, on one
    core: packing of activations, program, simulation, memory traffic and outputs included.
    fraction_of_bare: busy cycles of the array a second, over those of a bare loop, which does
    nothing but toggle the clock of the same model, whose array is kept busy out of the on-chip
    buffers (docs/simulation.md). Rounds of both alternate, so that both meet the same load.
    """
    n = k = 4096
    random = np.random.default_rng(1)
    codes = random.integers(0, 4, (n, k)).astype(np.uint8)
    with Accelerator.open("sim", config=config) as device, VerilatorDevice(config) as bare:
        limit = 1 << device.config.act_bits - 1
        x = random.integers(-limit, limit, (1, k)).astype(np.int32)
        weights = device.load(QuantizedMatrix.from_codes(codes, 2))
        device.matmul(x, weights)  # builds and sends the program
        _keep_busy(bare)
        calls, loops = [], []
        for _ in range(repeat):
            begin = time.perf_counter()
            device.matmul(x, weights)
            calls.append(time.perf_counter() - begin)
            loops.append(bare.bare(_BARE_CYCLES))
        bare_busy = _BARE_CYCLES * _busy_share(bare) / min(loops)
        counters = device.counters
    figures = [
        Figure("sim.plane_macs_per_s", n * k * 2 / min(calls), "1/s"),
        Figure("sim.fraction_of_bare", counters["array_busy"] / min(calls) / bare_busy, "1"),
        Figure("sim.cycles_per_s", counters["cycles"] / min(calls), "1/s"),
        Figure("sim.bare_cycles_per_s", _BARE_CYCLES / min(loops), "1/s"),
    ]
    print_figures(figures, as_json=as_json, title=f"simulation of {config}")


def _keep_busy(device: VerilatorDevice) -> None:
    """Start a program that keeps the array busy for many seconds without touching memory."""
    c = device.config
    random = np.random.default_rng(2)
    act_rows = c.act_depth // c.words_per_row(c.act_word_bits)
    weight_rows = c.weight_depth // c.words_per_row(c.weight_word_bits)
    data = 1 << 20
    device.write_memory(data, random.integers(0, 256, 1 << 20).astype(np.uint8))
    load = {"address": data, "signal": 1 << Engine.COMPUTE}
    planes = [{"shift": int(p == 1), "negative": 0} for p in range(16)]
    act_planes = c.act_bits if c.pe == "bitserial" else 1
    lmma = {"k_blocks": min(c.act_depth, 1024), "n_blocks": min(c.psum_depth, 1024), "clear": 1}
    program = [
        encode(Opcode.PLANES, count=2, halve=1, coefficient=1, act_planes=act_planes,
               planes=planes),
        encode(Opcode.LOAD, buffer=Buffer.ACT, rows=act_rows, **load),
        encode(Opcode.LOAD, buffer=Buffer.WEIGHT, rows=weight_rows, **load),
        encode(Opcode.LMMA, wait=1 << Engine.LOAD, k_blocks=1, n_blocks=1, rows=1, clear=1),
        # All of its rows are the same activations and partial sums: strides of 0.
        encode(Opcode.LMMA, wait=1 << Engine.LOAD, rows=127, **lmma),
        encode(Opcode.END),
    ]  # fmt: skip
    device.write_memory(0, b"".join(word.to_bytes(16, "little") for word in program))
    device.write_register(Register.PROGRAM_LO, 0)
    device.write_register(Register.PROGRAM_HI, 0)
    device.write_register(Register.PROGRAM_LENGTH, len(program))
    device.write_register(Register.CONTROL, Control.START)
    if device.wait(act_rows * 32 + weight_rows * 32 + 10_000):
        raise SimulationError("the program of the bare loop ended before its time")


def _busy_share(device: VerilatorDevice) -> float:
    """Share of busy cycles over another stretch of the bare loop."""

    def counters() -> tuple[int, int]:
        return device.read_register(Register.ARRAY_BUSY), device.read_register(Register.CYCLES)

    busy, cycles = counters()
    device.bare(10_000)
    now_busy, now_cycles = counters()
    return (now_busy - busy) / (now_cycles - cycles)
