import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.schedule import Addresses, build_program
from lutra.hw.config import Config
from lutra.hw.isa import ENGINES, Buffer, Opcode, decode

from ..products import SHAPES

ADDRESSES = Addresses(weights=1 << 20, groups=1 << 21, activations=1 << 22, outputs=1 << 23)


def layout_of(config: Config, n: int, k: int, bits: int = 2, **options) -> MatrixLayout:
    codes = np.random.default_rng(0).integers(0, 1 << bits, (n, k), dtype=np.uint8)
    return MatrixLayout.of(QuantizedMatrix.from_codes(codes, bits, **options), config)


def instructions(program: np.ndarray) -> list[tuple[Opcode, dict]]:
    return [decode(int(low) | int(high) << 64) for low, high in program]


def check_program(layout: MatrixLayout, row_blocks: int, program: np.ndarray) -> None:
    """Everything that makes a program legal, and the lookups and outputs complete."""
    c = layout.config
    tokens: Counter = Counter()
    loaded: dict[int, int] = {}  # weight buffer row: the weight word in it
    lookups = 0
    stored: Counter = Counter()
    word_bytes = c.memory_word_bits(c.weight_word_bits) // 8
    psum_bytes = c.memory_word_bits(c.psum_word_bits) // 8
    listing = instructions(program)
    assert listing[0][0] is Opcode.PLANES
    assert listing[-1][0] is Opcode.END
    for opcode, f in listing[1:-1]:
        engine = opcode.engine
        assert engine is not None
        for giver in ENGINES:
            if f["wait"] >> giver & 1:
                assert tokens[giver, engine] > 0, "a token is given before it is waited for"
                tokens[giver, engine] -= 1
        for taker in ENGINES:
            if f["signal"] >> taker & 1:
                tokens[engine, taker] += 1
                assert tokens[engine, taker] <= 255
        if opcode is Opcode.LOAD and f["buffer"] == Buffer.WEIGHT:
            first = (f["address"] - ADDRESSES.weights) // word_bytes
            for i in range(f["rows"]):
                loaded[f["row"] + i] = first + i
        elif opcode is Opcode.LMMA:
            lookups += f["k_blocks"] * f["rows"] * f["n_blocks"] * layout.planes
            words = [loaded[f["weight_base"] + i]
                     for i in range(f["k_blocks"] * f["n_blocks"] * layout.planes)]  # fmt: skip
            pitch = layout.n_blocks * layout.planes
            starts = [w // pitch for w in words[:: f["n_blocks"] * layout.planes]]
            assert starts == list(range(starts[0], starts[0] + f["k_blocks"])), "K blocks in order"
            assert f["act_base"] + (f["rows"] - 1) * f["act_stride"] + f["k_blocks"] <= c.act_depth
        elif opcode is Opcode.STORE:
            first = (f["address"] - ADDRESSES.outputs) // psum_bytes
            stored.update(range(first, first + f["words"]))
    assert not any(tokens.values()), "no token is left over"
    assert lookups == layout.k_blocks * layout.n_blocks * layout.planes * row_blocks
    outputs = len(layout.segments) * row_blocks * layout.n_blocks
    assert stored == Counter(range(outputs)), "every output is stored once"


@pytest.mark.parametrize("name", SHAPES)
def test_programs_are_legal_and_complete(name: str):
    config = SHAPES[name]
    rng = np.random.default_rng(7)
    for _ in range(8):
        n, k = (int(v) for v in rng.integers(1, 400, 2))
        bits = int(rng.integers(1, config.max_weight_bits + 1))
        layout = layout_of(config, n, k, bits)
        row_blocks = int(rng.integers(1, 20))
        check_program(layout, row_blocks, build_program(layout, row_blocks, ADDRESSES))


@settings(max_examples=60)
@given(
    lanes=st.integers(8, 40),
    tables=st.integers(1, 9),
    rows=st.integers(1, 4),
    depths=st.lists(st.sampled_from([16, 32, 64, 256]), min_size=4, max_size=4),
    axi=st.sampled_from([32, 64, 128]),
    n=st.integers(1, 300),
    k=st.integers(1, 300),
    bits=st.integers(1, 8),
    row_blocks=st.integers(1, 40),
    grouped=st.booleans(),
)
def test_programs_of_any_configuration(
    lanes: int, tables: int, rows: int, depths: list[int], axi: int, n: int, k: int, bits: int,
    row_blocks: int, grouped: bool,
):  # fmt: skip
    act, weight, scale, psum = depths
    try:
        config = Config(lanes=lanes, tables=tables, rows=rows, axi_bits=axi, act_depth=act,
                        weight_depth=weight, scale_depth=scale, psum_depth=psum)  # fmt: skip
    except ValueError:
        return
    options = {}
    if grouped:
        groups = -(-k // min(48, k))
        zeros = np.arange(n * groups).reshape(n, groups) % (1 << bits)
        options = {"group_size": 48, "zero_points": zeros}
    layout = layout_of(config, n, k, bits, **options)
    check_program(layout, row_blocks, build_program(layout, row_blocks, ADDRESSES))


def test_each_weight_is_read_once_per_row_tile():
    layout = layout_of(Config(), 1024, 1024)
    for row_blocks in (1, 16):
        program = build_program(layout, row_blocks, ADDRESSES)
        rows = sum(f["rows"] for op, f in instructions(program)
                   if op is Opcode.LOAD and f["buffer"] == Buffer.WEIGHT)  # fmt: skip
        assert rows == layout.k_blocks * layout.n_blocks * layout.planes


def test_loads_run_ahead_of_lmmas():
    """After the first few instructions, every LMMA's weights stand several LMMAs before it."""
    layout = layout_of(Config(), 4096, 512)
    chunk, used, where = 0, 0, {}
    distances = []
    for op, f in instructions(build_program(layout, 1, ADDRESSES)):
        if op is Opcode.LOAD and f["buffer"] == Buffer.WEIGHT:
            where[chunk] = used
            chunk += 1
        elif op is Opcode.LMMA:
            distances.append(used - where[used])
            used += 1
    assert min(distances[10:]) >= 4


def test_matrices_that_fit_the_buffer_are_loaded_once():
    layout = layout_of(Config(), 64, 64)
    program = build_program(layout, 300, ADDRESSES)
    loads = [f for op, f in instructions(program)
             if op is Opcode.LOAD and f["buffer"] == Buffer.WEIGHT]  # fmt: skip
    assert sum(f["rows"] for f in loads) == layout.k_blocks * layout.n_blocks * layout.planes


def test_a_large_program_is_built_in_milliseconds():
    layout = layout_of(Config(), 4096, 4096)
    build_program(layout, 1, ADDRESSES)
    begin = time.perf_counter()
    program = build_program(layout, 1, ADDRESSES)
    seconds = time.perf_counter() - begin
    assert len(program) < 1200
    assert seconds < 0.2  # 6 ms on an idle core
