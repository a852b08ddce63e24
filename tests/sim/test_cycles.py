"""The cycle model against the compiled hardware, and against itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator
from lutra.host.grid_variants import VARIANTS
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.schedule import Addresses, build_program
from lutra.hw.config import Config
from lutra.hw.isa import Opcode
from lutra.hw.program import decode_columns, encode_columns
from lutra.hw.registers import COUNTERS, built_counters
from lutra.sim import cycles
from lutra.sim.cycles import MemoryTiming, predict
from lutra.sim.timing.feed import FeedTiming
from lutra.sim.timing.period import find_period
from lutra.sim.timing.steps import program_steps

from ..products import SHAPES

ADDRESSES = Addresses(weights=1 << 20, groups=1 << 28, activations=1 << 29, outputs=1 << 30)

#: M, N, K, bits and quantisation group: one row and many, one block and many tiles, every number
#: of planes.
WIDE_SHAPES = [
    (1, 16, 32, 2, 0), (1, 256, 256, 2, 0), (1, 768, 256, 2, 0), (1, 256, 768, 2, 0),
    (1, 1024, 1024, 1, 0), (1, 1024, 1024, 4, 0), (1, 1024, 4096, 2, 0), (1, 4096, 1024, 3, 0),
    (2, 512, 512, 1, 0), (3, 100, 70, 3, 0), (4, 700, 700, 3, 0), (7, 33, 90, 5, 0),
    (8, 768, 256, 2, 64), (9, 33, 700, 8, 0), (16, 256, 256, 2, 0), (16, 512, 512, 2, 128),
    (32, 16, 1024, 1, 0), (40, 300, 600, 2, 0), (64, 256, 256, 2, 0), (200, 64, 64, 2, 0),
]  # fmt: skip
TINY_SHAPES = [
    (1, 4, 8, 1, 0), (1, 64, 64, 2, 0), (8, 64, 64, 4, 0), (3, 20, 30, 2, 0), (5, 33, 70, 3, 0),
    (1, 256, 256, 2, 0), (16, 64, 64, 1, 0), (2, 100, 70, 4, 0), (7, 13, 41, 4, 0),
    (40, 30, 60, 2, 0), (3, 70, 128, 4, 32), (1, 128, 256, 2, 64), (20, 24, 96, 3, 32),
    (2, 5, 600, 2, 0), (4, 300, 20, 1, 0),
]  # fmt: skip

#: Latency and bytes a cycle: a fast memory, the default, a slow one, and two of limited bandwidth.
WIDE_MEMORIES = [(1, 0), (32, 0), (100, 0), (32, 8), (10, 20)]
TINY_MEMORIES = [(1, 0), (32, 0), (100, 0), (32, 4), (10, 3)]

#: One model of every element, that other tests compile, too: quantised tables,
#: block-scaled activations and two rows are among them.
TINY = ("tiny", "lut-q6x", "lut3-x", "bitserial", "add", "mac3", "shiftadd")
#: No groups; no groups and at most 2 bits: what the smallest cores take.
PLAIN_SHAPES = [shape for shape in TINY_SHAPES if not shape[4]]
NARROW_SHAPES = [shape for shape in PLAIN_SHAPES if shape[3] <= 2]
OTHERS = {
    "tiny-shallow": replace(
        load_config("tiny"), fetch_depth=2, queue_depth=1, load_depth=1, store_depth=2,
        requantise_lanes=1,
    ),
    "mac3": SHAPES["mac3"],  # registers its operands
    "ecp5": SHAPES["ecp5"],  # builds its tables of one row after the other, into a single bank
}  # fmt: skip

CASES = [
    *[("w2a8", WIDE_SHAPES, memory) for memory in WIDE_MEMORIES],
    *[(name, TINY_SHAPES, memory) for name in TINY for memory in TINY_MEMORIES],
    *[("ecp5", PLAIN_SHAPES, memory) for memory in TINY_MEMORIES],
    *[("tiny_ice40", NARROW_SHAPES, memory) for memory in TINY_MEMORIES],
    *[("tiny-shallow", TINY_SHAPES, memory) for memory in TINY_MEMORIES],
]


def config_of(name: str) -> Config:
    if name in OTHERS:
        return OTHERS[name]
    return VARIANTS[name].config if name in VARIANTS else load_config(name)


def weights_of(n: int, k: int, bits: int, group: int = 0) -> QuantizedMatrix:
    random = np.random.default_rng(n + k)
    codes = random.integers(0, 1 << bits, (n, k), dtype=np.uint8)
    if not group:
        return QuantizedMatrix.from_codes(codes, bits)
    shape = (n, -(-k // group))
    return QuantizedMatrix.from_codes(
        codes, bits, group_size=group, zero_points=random.integers(0, 1 << bits, shape),
        group_scales=random.integers(1, 4, shape),
    )  # fmt: skip


def program_of(config_name: str, m: int, n: int, k: int, bits: int) -> np.ndarray:
    config = config_of(config_name)
    layout = MatrixLayout.of(weights_of(n, k, bits), config)
    return build_program(layout, -(-m // config.rows), ADDRESSES)


def program_run(device: Accelerator, m: int, n: int, k: int, bits: int, group: int) -> np.ndarray:
    """The program of a product that `device` has computed."""
    loaded = device.load(weights_of(n, k, bits, group))
    act_bits = min(3, device.config.act_bits) if device.config.pe == "bitserial" else None
    device.matmul(np.zeros((m, k), np.int8), loaded, act_bits=act_bits)
    (stored,) = loaded.programs.values()
    image = device.transport.read_memory(stored.address, 16 * stored.length)
    loaded.free()
    return image.view("<u8").reshape(-1, 2)


@pytest.mark.parametrize(
    ("name", "shapes", "memory"),
    [  # one worker a model: another one would wait for it to be compiled
        pytest.param(*case, id=f"{case[0]}-{case[2]}", marks=pytest.mark.xdist_group(case[0]))
        for case in CASES
    ],
)
def test_cycles_are_those_of_the_rtl(name: str, shapes: list, memory: tuple[int, int]):
    """Within 1 % (or 3 cycles) of the compiled hardware, everywhere; nearly everywhere exact."""
    latency, bytes_per_cycle = memory
    timing = MemoryTiming(latency=latency, bytes_per_cycle=bytes_per_cycle)
    far, exact = [], 0
    with Accelerator.open(
        "sim", config=config_of(name), latency=latency, bytes_per_cycle=bytes_per_cycle
    ) as device:
        for shape in shapes:
            program = program_run(device, *shape)
            predicted, counted = predict(device.config, program, timing), device.counters
            built = built_counters(device.config.counters)
            for counter in {"array_busy", "bytes_read", "bytes_written"} & set(built):
                assert predicted[counter] == counted[counter], f"{counter} of {shape}"
            exact += all(predicted[counter] == counted[counter] for counter in built)
            assert not any(counted[counter] for counter in counted if counter not in built)
            if abs(predicted["cycles"] - counted["cycles"]) > max(3, counted["cycles"] / 100):
                far.append(f"{shape}: {predicted['cycles']} for {counted['cycles']}")
    assert not far, far
    assert exact >= 0.9 * len(shapes), f"only {exact} of {len(shapes)} to the cycle"


@pytest.mark.parametrize("name", ["tiny", "mac-x", "tiny-shallow"])
def test_requantised_stores(name: str):
    with Accelerator.open("sim", config=config_of(name)) as device:
        for shape in TINY_SHAPES:
            program = program_run(device, *shape)
            stores = np.flatnonzero((program[:, 0] & np.uint64(15)) == int(Opcode.STORE))
            fields = decode_columns(Opcode.STORE, program[stores])
            fields["requantise"][:] = fields["multiplier"][:] = 1
            program[stores] = encode_columns(Opcode.STORE, fields)
            device.run(program)
            counted = device.counters
            predicted = predict(device.config, program)
            assert predicted["bytes_written"] == counted["bytes_written"]
            difference = predicted["cycles"] - counted["cycles"]
            assert abs(difference) <= max(3, counted["cycles"] / 100), shape


def test_a_wide_memory_keeps_the_array_busy():
    config = load_config("w2a8")
    for shape in ((1, 4096, 4096, 2), (16, 1024, 1024, 2)):
        counters = predict(config, program_of("w2a8", *shape))
        assert counters["array_busy"] / counters["cycles"] > 0.95


def test_cycles_are_linear_in_planes():
    config = load_config("w2a8")
    counts = [predict(config, program_of("w2a8", 1, 4096, 4096, bits))["cycles"] for bits in (1, 4)]
    assert 3.8 < counts[1] / counts[0] < 4.05


def test_a_narrow_memory_is_used_to_its_limit():
    config = load_config("w2a8")
    program = program_of("w2a8", 1, 4096, 4096, 2)
    counters = predict(config, program, MemoryTiming(bytes_per_cycle=8))
    assert 4096 * 4096 // 4 / 8 / counters["cycles"] > 0.95


def test_latency_only_delays():
    config = load_config("w2a8")
    program = program_of("w2a8", 1, 768, 256, 2)
    counts = [predict(config, program, MemoryTiming(latency=n))["cycles"] for n in (1, 30, 60, 90)]
    assert counts == sorted(counts)
    assert counts[3] - counts[2] == 90  # the program, the first weights, the last response


def test_bandwidth_need_not_be_whole():
    config, program = load_config("tiny"), program_of("tiny", 3, 20, 30, 2)
    counts = [
        predict(config, program, MemoryTiming(bytes_per_cycle=rate))["cycles"]
        for rate in (4, 3.5, 3.25, 3, 0.5)
    ]
    assert counts == sorted(counts)
    assert counts[-1] > 4 * counts[0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("w2a8", (256, 1024, 1024, 2)),
        ("w2a8_mac", (256, 1024, 1024, 2)),
        ("tiny", (24, 256, 256, 2)),
    ],
)
def test_what_repeats_itself_need_not_be_followed(
    name: str, shape: tuple[int, int, int, int], monkeypatch
):
    """Neither tiles nor blocks that are like those before; the counters are the same."""
    config, program = config_of(name), program_of(name, *shape)
    section = find_period(config, program_steps(config, program))
    assert section is not None
    assert section.period * section.times > len(program) / 2
    counters = predict(config, program)

    def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(cycles, "find_period", nothing)
    monkeypatch.setattr(FeedTiming, "steady", nothing)
    assert predict(config, program) == counters


def test_a_long_program_is_not_much_work(monkeypatch):
    """Of 32 and of 512 rows about as many events are followed."""
    config, events = load_config("w2a8"), []
    at: Callable[..., None] = cycles.Clock.at

    def counted(*arguments: object) -> None:
        events[-1] += 1
        at(*arguments)

    monkeypatch.setattr(cycles.Clock, "at", counted)
    for rows in (128, 512):
        events.append(0)
        predict(config, program_of("w2a8", rows, 1024, 1024, 2))
    assert events[1] < 1.5 * events[0]


def test_every_counter_is_predicted():
    counters = predict(load_config("tiny"), program_of("tiny", 3, 20, 30, 2))
    assert list(counters) == list(COUNTERS)
    assert counters["weight_stall"] > 0
    assert counters["table_stall"] > 0
