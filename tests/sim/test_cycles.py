import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.schedule import Addresses, build_program
from lutra.hw.registers import COUNTERS
from lutra.sim.cycles import MemoryTiming, predict

ADDRESSES = Addresses(weights=1 << 20, groups=1 << 24, activations=1 << 25, outputs=1 << 26)

#: M, N, K and bits: one row and many, one block and many tiles, every number of planes.
SHAPES = [
    (1, 16, 32, 2), (1, 256, 256, 2), (1, 768, 256, 2), (1, 256, 768, 2), (1, 1024, 1024, 1),
    (1, 1024, 1024, 4), (1, 1024, 4096, 2), (1, 4096, 1024, 3), (2, 512, 512, 1), (3, 100, 70, 3),
    (4, 700, 700, 3), (7, 33, 90, 5), (8, 768, 256, 2), (9, 33, 700, 8), (16, 256, 256, 2),
    (16, 512, 512, 2), (32, 16, 1024, 1), (40, 300, 600, 2), (64, 256, 256, 2), (200, 64, 64, 2),
]  # fmt: skip

#: Latency and bytes a cycle: the default, a slow one, and two of limited bandwidth.
MEMORIES = [(32, 0), (100, 0), (32, 8), (10, 20)]


def weights_of(n: int, k: int, bits: int) -> QuantizedMatrix:
    codes = np.random.default_rng(n + k).integers(0, 1 << bits, (n, k), dtype=np.uint8)
    return QuantizedMatrix.from_codes(codes, bits)


def program_of(config_name: str, m: int, n: int, k: int, bits: int) -> np.ndarray:
    config = load_config(config_name)
    layout = MatrixLayout.of(weights_of(n, k, bits), config)
    return build_program(layout, -(-m // config.rows), ADDRESSES)


@pytest.mark.parametrize(("latency", "bytes_per_cycle"), MEMORIES)
def test_cycles_are_those_of_the_rtl(latency: int, bytes_per_cycle: int):
    """Within 1 % (or 3 cycles) of the compiled hardware, over all shapes and memories."""
    timing = MemoryTiming(latency=latency, bytes_per_cycle=bytes_per_cycle)
    far = []
    with Accelerator.open(
        "sim", config="w2a8", latency=latency, bytes_per_cycle=bytes_per_cycle
    ) as device:
        for m, n, k, bits in SHAPES:
            loaded = device.load(weights_of(n, k, bits))
            device.matmul(np.zeros((m, k), np.int8), loaded)
            (stored,) = loaded.programs.values()
            image = device.transport.read_memory(stored.address, 16 * stored.length)
            predicted = predict(device.config, image.view("<u8").reshape(-1, 2), timing)
            counted = device.counters
            for name in ("array_busy", "bytes_read", "bytes_written"):
                assert predicted[name] == counted[name], f"{name} of {m}x{n}x{k} w{bits}"
            difference = predicted["cycles"] - counted["cycles"]
            if abs(difference) > max(3, counted["cycles"] / 100):
                far.append(f"{m}x{n}x{k} w{bits}: {predicted['cycles']} for {counted['cycles']}")
            loaded.free()
    assert not far, far


def test_a_wide_memory_keeps_the_array_busy():
    config = load_config("w2a8")
    for shape in ((1, 4096, 4096, 2), (16, 1024, 1024, 2)):
        counters = predict(config, program_of("w2a8", *shape))
        assert counters["array_busy"] / counters["cycles"] > 0.95


def test_cycles_are_linear_in_planes():
    config = load_config("w2a8")
    cycles = [predict(config, program_of("w2a8", 1, 4096, 4096, bits))["cycles"] for bits in (1, 4)]
    assert 3.8 < cycles[1] / cycles[0] < 4.05


def test_a_narrow_memory_is_used_to_its_limit():
    config = load_config("w2a8")
    program = program_of("w2a8", 1, 4096, 4096, 2)
    counters = predict(config, program, MemoryTiming(bytes_per_cycle=8))
    assert 4096 * 4096 // 4 / 8 / counters["cycles"] > 0.95


def test_latency_only_delays():
    config = load_config("w2a8")
    program = program_of("w2a8", 1, 768, 256, 2)
    cycles = [predict(config, program, MemoryTiming(latency=n))["cycles"] for n in (1, 30, 60, 90)]
    assert cycles == sorted(cycles)
    assert cycles[3] - cycles[2] == 90  # the program, the first weights, the last response


def test_every_counter_is_predicted():
    counters = predict(load_config("tiny"), program_of("tiny", 3, 20, 30, 2))
    assert list(counters) == list(COUNTERS)
    assert counters["weight_stall"] > 0
    assert counters["table_stall"] > 0
