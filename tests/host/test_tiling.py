from collections import Counter

import numpy as np
import pytest

from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.tiling import Tiling
from lutra.hw.config import Config


def layout_of(config: Config, n: int, k: int, bits: int = 2, **options) -> MatrixLayout:
    codes = np.random.default_rng(0).integers(0, 1 << bits, (n, k), dtype=np.uint8)
    return MatrixLayout.of(QuantizedMatrix.from_codes(codes, bits, **options), config)


def test_what_fits_is_one_tile():
    tiling = Tiling.of(layout_of(Config(), 1024, 1024), 16)
    assert (tiling.tile_rows, tiling.tile_blocks, tiling.psum_slots) == (16, 64, 1)
    assert len(list(tiling.tiles())) == 1


@pytest.mark.parametrize("row_blocks", [1, 5, 21, 300])
@pytest.mark.parametrize("n", [40, 1000])
def test_tiles_cover_the_product_once(row_blocks: int, n: int):
    layout = layout_of(Config(psum_depth=64), n, 100)
    tiling = Tiling.of(layout, row_blocks)
    covered: Counter = Counter()
    for tile in tiling.tiles():
        assert tile.rows * tile.n_blocks * tiling.psum_slots <= 64
        covered.update((r, n) for r in range(tile.row, tile.row + tile.rows)
                       for n in range(tile.n, tile.n + tile.n_blocks))  # fmt: skip
    assert covered == Counter((r, n) for r in range(row_blocks) for n in range(layout.n_blocks))


def test_chunks_stay_within_groups_and_ranges():
    zeros = np.arange(16 * 5).reshape(16, 5) % 4
    layout = layout_of(Config(), 16, 480, group_size=96, zero_points=zeros)
    tiling = Tiling.of(layout, 2)
    blocks = 0
    for chunk in tiling.chunks():
        last = chunk.k + chunk.k_blocks - 1
        assert chunk.k // layout.group_blocks == last // layout.group_blocks
        assert chunk.k // tiling.act_range == last // tiling.act_range
        assert chunk.k_blocks * chunk.n_blocks * layout.planes <= tiling.chunk_words
        assert chunk.clear == (chunk.k == 0)
        blocks += chunk.k_blocks * chunk.n_blocks
    assert blocks == layout.k_blocks * layout.n_blocks


def test_buffers_hold_what_is_promised():
    for config in (Config(), Config(weight_depth=16, act_depth=16, axi_bits=128)):
        for row_blocks in (1, 7, 100):
            layout = layout_of(config, 500, 3000, 5)
            tiling = Tiling.of(layout, row_blocks)
            assert tiling.weight_slots * tiling.chunk_words <= config.weight_depth
            assert tiling.act_slots * tiling.tile_rows * tiling.act_range <= config.act_depth
            assert tiling.act_slots >= 1
            assert tiling.weight_slots >= 1


def test_narrow_tiles_are_avoided():
    """Tiles are wide enough that the next table is built while they are in work."""
    layout = layout_of(Config(), 2000, 2000, 1)
    tiling = Tiling.of(layout, 40)
    assert tiling.tile_blocks * layout.planes > Config().build_cycles
