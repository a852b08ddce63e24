"""Every way of cutting a product is legal; the chosen one reads little and takes few cycles."""

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.schedule import build_program
from lutra.host.scheduler import Scheduler
from lutra.host.tile_cut import tile_cuts
from lutra.host.tiling import Tiling
from lutra.hw.config import Config
from lutra.hw.isa import Buffer, Opcode
from lutra.sim.cycles import MemoryTiming, predict

from ..products import SHAPES
from .test_schedule import ADDRESSES, check_program, instructions, layout_of


def weight_rows(program: np.ndarray) -> int:
    return sum(f["rows"] for op, f in instructions(program)
               if op is Opcode.LOAD and f["buffer"] == Buffer.WEIGHT)  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_all_cuts_are_legal_and_complete(name: str):
    config = SHAPES[name]
    rng = np.random.default_rng(1)
    for _ in range(3):
        n, k = (int(v) for v in rng.integers(1, 300, 2))
        layout = layout_of(config, n, k, int(rng.integers(1, config.max_weight_bits + 1)))
        row_blocks = int(rng.integers(2, 40))
        cuts = tile_cuts(layout, row_blocks, MemoryTiming())
        for cut in [*cuts[:2], *cuts[-2:]]:
            tiling = Tiling.of(layout, row_blocks, cut=cut)
            check_program(layout, row_blocks, Scheduler(tiling, ADDRESSES).program(1))


@pytest.mark.parametrize("outputs_first", [False, True])
def test_products_are_exact_in_both_orders(outputs_first: bool, monkeypatch: pytest.MonkeyPatch):
    """On the functional device, with the order forced."""
    config = Config(psum_depth=64, weight_depth=128, act_depth=64, scale_depth=64, axi_bits=128)

    def only(*arguments):
        return [c for c in tile_cuts(*arguments) if c.outputs_first == outputs_first] or tile_cuts(
            *arguments
        )

    monkeypatch.setattr("lutra.host.schedule.tile_cuts", only)
    rng = np.random.default_rng(8)
    with Accelerator.open("golden", config=config) as device:
        for m, n, k in ((20, 130, 90), (40, 64, 200), (7, 300, 33)):
            zeros = rng.integers(0, 4, (n, -(-k // 32)))
            weights = QuantizedMatrix.from_codes(
                rng.integers(0, 4, (n, k), dtype=np.uint8), 2, group_size=32, zero_points=zeros
            )
            x = rng.integers(-128, 128, (m, k))
            y = device.matmul(x, device.load(weights))
            np.testing.assert_array_equal(y, x @ weights.integers().T)


def test_weights_stay_while_rows_go_by():
    """Where the weights of an output tile fit the buffer, no weight is loaded twice."""
    layout = layout_of(Config(), 1024, 512, 4)
    words = layout.k_blocks * layout.n_blocks * layout.planes
    assert words > Config().weight_depth
    program = build_program(layout, 128, ADDRESSES, timing=MemoryTiming(bytes_per_cycle=2))
    check_program(layout, 128, program)
    assert weight_rows(program) <= 1.1 * words  # pieces of the last tile may come again


def test_matrices_that_fit_stay_whole():
    layout = layout_of(Config(), 1024, 256)
    assert layout.k_blocks * layout.n_blocks * layout.planes == Config().weight_depth
    program = build_program(layout, 40, ADDRESSES, timing=MemoryTiming(bytes_per_cycle=8))
    assert weight_rows(program) == Config().weight_depth


@pytest.mark.parametrize("bytes_per_cycle", [0, 16])
@pytest.mark.parametrize(("m", "n", "k"), [(40, 1024, 256), (64, 512, 512), (100, 256, 300)])
def test_the_choice_is_the_best_of_the_first_few(m: int, n: int, k: int, bytes_per_cycle: int):
    config, timing = Config(), MemoryTiming(bytes_per_cycle=bytes_per_cycle)
    layout = layout_of(config, n, k)
    cycles = predict(config, build_program(layout, m, ADDRESSES, timing=timing), timing)["cycles"]
    first = tile_cuts(layout, m, timing)[0]
    program = Scheduler(Tiling.of(layout, m, cut=first), ADDRESSES).program(1)
    assert cycles <= predict(config, program, timing)["cycles"]


def test_a_slow_memory_is_used_to_its_limit():
    """Outputs take most of the memory's time; STOREs are spread so that lookups go on meanwhile."""
    rng = np.random.default_rng(3)
    weights = QuantizedMatrix.from_codes(rng.integers(0, 4, (1024, 256), dtype=np.uint8), 2)
    with Accelerator.open("sim", config="w2a8", bytes_per_cycle=2) as device:
        x = rng.integers(-128, 128, (40, 256)).astype(np.int8)
        y = device.matmul(x, device.load(weights))
        np.testing.assert_array_equal(y, x @ weights.integers().T)
        counters = device.counters
    moved = counters["bytes_read"] + counters["bytes_written"]
    assert moved / 2 / counters["cycles"] > 0.9
    assert counters["bytes_read"] < 2 * 1024 * 256 / 4


def test_prefill_and_decode_reach_their_bounds():
    """Shapes an eighth of 32x4096x4096 and 1x4096x11008, latency 100; `lutra bench cycles` has
    those themselves."""
    rng = np.random.default_rng(3)
    with Accelerator.open("sim", config="w2a8", latency=100) as device:
        for m, n, k, least in ((32, 512, 512, 0.95), (1, 2048, 2752, 0.95)):
            codes = rng.integers(0, 4, (n, k), dtype=np.uint8)
            x = rng.integers(-128, 128, (m, k)).astype(np.int8)
            device.matmul(x, device.load(QuantizedMatrix.from_codes(codes, 2)))
            counters = device.counters
            moving = (n * k / 4 + m * k + 4 * m * n) / 64
            assert max(counters["array_busy"], moving) / counters["cycles"] > least
