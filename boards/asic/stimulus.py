"""What drives an array while its nets are watched: random activations and weights, full speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.lib.data import StructLayout

from ...hw.config import Config
from ...hw.digits import digit_range, encode_digits
from ...hw.element_latency import element_latency
from ...hw.plane_accumulator import PlaneControl
from ...hw.processing_element import PEControl
from .netlist import Netlist

__all__ = ["Stimulus", "array_stimulus"]


@dataclass(frozen=True)
class Stimulus:
    """Bits of the input ports in every cycle.

    `bits` is uint8 {0, 1}, ``[cycles, inputs]``; `ports` says which input is which, (name, width)
    from the first column on. Cycles before `warm_up` are not counted.
    """

    bits: np.ndarray
    ports: list[tuple[str, int]]
    warm_up: int


def array_stimulus(
    config: Config, netlist: Netlist, *, words: int = 64, blocks: int = 4, seed: int = 0
) -> Stimulus:
    """Work for `..whole_array.WholeArray`: a weight word in every cycle but those of the warm-up.

    Activations are uniform over their width, digits uniform over theirs. Each set of tables meets
    `words` weight words (so many outputs times planes share a K block), or as many cycles as the
    next one takes to build if those are more; planes of a weight are accumulated and the sum
    rescaled with one scale and zero point a group, as in a matrix with quantisation groups.
    """
    random = np.random.default_rng(seed)
    c = config
    passes = c.act_bits if c.pe == "bitserial" else 1
    planes = 1 if c.pe == "lut3" else -(-c.weight_bits // c.digit_bits)
    turn = max(words, c.build_cycles + 4)
    turn += -turn % (passes * planes)
    warm_up = 2 * c.build_cycles + 8
    cycles = warm_up + blocks * turn
    ports = {name: len(nets) for name, (way, nets) in netlist.ports.items() if way == "input"}
    columns = {name: np.zeros((cycles, width), np.uint8) for name, width in ports.items()}

    def drive(name: str, values: np.ndarray, first: int = 0) -> None:
        if name in columns:
            width = columns[name].shape[1]
            columns[name][:, first:] = values.reshape(cycles, -1)[:, : width - first]

    def bit(name: str, values: np.ndarray, layout: StructLayout | None = None, field="") -> None:
        if name in columns:
            columns[name][:, layout[field].offset if layout is not None else 0] = values

    step = np.arange(cycles) - warm_up  # the weight word of each cycle
    busy = step >= 0
    bit("x__valid", np.arange(cycles) > 2)  # after the reset
    # Held while it is not taken: the array takes a new block every `turn` cycles.
    block = random.integers(0, 2, (blocks + 8, ports.get("x__payload", 1)), dtype=np.uint8)
    drive("x__payload", block[np.maximum(step, -1) // turn + 1])
    low, high, stride = digit_range(c)
    shape = (cycles, c.lanes, c.k_block)
    digits = random.integers(0, (high - low) // stride + 1, shape, dtype=np.int8) * stride + low
    if passes > 1:
        digits = digits[np.maximum(step, 0) // passes * passes]
    drive("weights", encode_digits(digits.astype(np.int8), c))
    act_plane = (passes - 1 - step % passes) * busy
    bit("control", busy, PEControl, "valid")
    if "control" in columns:
        first = PEControl["act_plane"].offset
        for i in range(PEControl["act_plane"].width):
            columns["control"][:, first + i] = act_plane >> i & 1
    bit("control", busy & (step % passes == 0), PEControl, "act_first")
    bit("control", busy & (step % passes == passes - 1), PEControl, "act_last")
    bit("control", busy & (step % turn == turn - 1), PEControl, "release")
    # Control comes a cycle before the sums, and group parameters two before the finished planes.
    late = step - (element_latency(c) - 1)
    plane = late // passes % planes
    bit("plane", (late >= 0) & (late % passes == passes - 1), PlaneControl, "valid")
    bit("plane", plane == 0, PlaneControl, "first")
    bit("plane", plane != 0, PlaneControl, "shift")  # its lowest bit: shifts by one
    bit("group", np.ones(cycles, np.uint8))
    bit("halve", np.full(cycles, c.digit_bits == 1 and c.weight_bits > 1, np.uint8))
    parameters = random.integers(0, 2, (cycles, ports.get("parameters", 1)), dtype=np.uint8)
    drive("parameters", parameters[np.maximum(late, 0) // (passes * planes)])
    late = late - 2
    bit("complete", (late >= 0) & (late % (passes * planes) == passes * planes - 1))
    order = sorted(set(ports) - {"clk", "rst"})
    bits = np.concatenate([columns[name] for name in order], axis=1)
    return Stimulus(bits, [(name, ports[name]) for name in order], warm_up)
