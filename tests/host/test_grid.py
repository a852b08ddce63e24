"""A representative quarter of the grid on the RTL, small spaces as a whole, and the grid itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lutra.host import grid_check
from lutra.host.accelerator import Accelerator
from lutra.host.commands.grid import grid
from lutra.host.errors import LutraError
from lutra.host.formats.codebook import from_ternary
from lutra.host.formats.registry import ACTIVATIONS, WEIGHTS
from lutra.host.grid import Grid
from lutra.host.grid_cases import GridCase, MismatchError, check_case
from lutra.host.grid_check import check_combination
from lutra.host.grid_variants import VARIANTS, GridCombination, combinations, representative
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import PROCESSING_ELEMENTS, Config

#: Variants that are compiled here, one an element.
COMPILED = ("lut-q6x", "lut3-x", "bitserial", "add", "mac-x", "shiftadd")
EXAMPLES = 3


@pytest.fixture(scope="module", params=COMPILED)
def pair(request) -> Iterator[tuple[str, Accelerator, Accelerator]]:
    config = VARIANTS[request.param].config
    with (
        Accelerator.open("golden", config=config, memory_bytes=1 << 22) as golden,
        Accelerator.open("sim", config=config, memory_bytes=1 << 22) as device,
    ):
        yield request.param, golden, device


def test_grid_is_large_and_complete():
    everything = combinations()
    assert len(everything) >= 2000
    assert len(set(map(str, everything))) == len(everything)
    assert {c.config.pe for c in everything} == set(PROCESSING_ELEMENTS)
    assert {c.weights for c in everything} == set(WEIGHTS)
    assert {c.activations for c in everything} == set(ACTIVATIONS)
    for pe in PROCESSING_ELEMENTS:
        found = {c.activations for c in everything if c.config.pe == pe}
        assert found == set(ACTIVATIONS), pe
    quarter = representative(tuple(VARIANTS))
    assert len(quarter) * 4 > len(everything) - 4 * len(VARIANTS) * 3
    assert set(quarter) < set(everything)
    assert {c.weights for c in quarter} == set(WEIGHTS)
    for variant in VARIANTS:
        chosen = [c for c in quarter if c.variant == variant]
        assert {c.activations for c in chosen} == set(VARIANTS[variant].activations)


def test_compiled_variants_equal_golden(pair):
    """Every combination of six variants, one of each element: more than a third of the grid."""
    variant, golden, device = pair
    chosen = [c for c in combinations() if c.variant == variant]
    assert len(chosen) >= 120
    for combination in chosen:
        check_combination(combination, golden, device, examples=EXAMPLES)


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - set(COMPILED)))
def test_golden_equals_integer_sums(variant):
    config = VARIANTS[variant].config
    with Accelerator.open("golden", config=config, memory_bytes=1 << 22) as golden:
        for combination in representative((variant,)):
            check_combination(combination, golden, None, examples=EXAMPLES)


# -- small spaces as a whole ---------------------------------------------------------------------


def _all(values: range, count: int, dtype: type) -> np.ndarray:
    return np.array(list(itertools.product(values, repeat=count)), dtype)


EXHAUSTIVE = Config(
    name="exhaustive", act_bits=4, rows=2, lanes=32, tables=1, lookup_group=4, max_weight_bits=2,
    scale_bits=15, psum_bits=32, axi_bits=128, act_depth=1024,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["golden", "sim"])
def test_all_int4_activations_times_all_two_bit_codes(kind):
    """65536 groups of four int4 activations times all 256 groups of four two-bit codes.

    A product is at most 64 in magnitude, so three of them with group scales of 1, 129 and 129**2
    add up to an integer that tells them apart: a third of the outputs are enough.
    """
    x, codes = _all(range(-8, 8), 4, np.int8), _all(range(4), 4, np.uint8)
    thirds = np.resize(codes, (258, 4)).reshape(3, 86, 4).transpose(1, 0, 2).reshape(86, 12)
    scales = np.array([1, 129, 129**2])
    weights = QuantizedMatrix.from_codes(
        thirds, 2, group_size=4, group_scales=np.tile(scales, (86, 1))
    )
    assert weights.integers().max() == 129**2
    golden = np.repeat(scales, 4) * (thirds.astype(np.int64) - 2)
    with Accelerator.open(kind, config=EXHAUSTIVE) as device:
        loaded = device.load(weights)
        for first in range(0, len(x), 8192):
            rows = np.tile(x[first : first + 8192], 3)
            assert np.array_equal(device.matmul(rows, loaded), rows.astype(np.int64) @ golden.T)


def test_all_products_of_single_weights(pair):
    """Every activation of eight bits times every weight of eight bits, or within the tables."""
    variant, golden, device = pair
    x = np.arange(-128, 128)[:, None].astype(np.int8)
    codes = np.arange(256)[:, None].astype(np.uint8)
    results = []
    for on in (golden, device):
        loaded = on.load(QuantizedMatrix.from_codes(codes, 8))
        results.append(on.matmul(x, loaded))
        loaded.free()
    assert np.array_equal(*results), variant
    if not golden.config.table_bits:
        assert np.array_equal(results[0], x.astype(int) * (codes.astype(int).T - 128))


def test_all_int4_activations_times_all_trits(pair):
    """Every group of three int4 activations times every group of three trits."""
    variant, golden, device = pair
    x, w = _all(range(-8, 8), 3, np.int8), _all(range(-1, 2), 3, np.int8)
    results = []
    for on in (golden, device):
        loaded = on.load(from_ternary(w))
        results.append(on.matmul(x, loaded, act_bits=4 if on.config.pe == "bitserial" else None))
        loaded.free()
    # Entries of six bits hold sums of int4 activations as they are.
    assert np.array_equal(*results), variant
    assert np.array_equal(results[0], x.astype(int) @ w.astype(int).T)


# -- the grid itself -----------------------------------------------------------------------------


def test_results_survive_an_interruption(tmp_path: Path):
    chosen = representative(("mac",), step=16)
    path = tmp_path / "grid" / "results.json"

    def interrupt(combination, result):
        assert not result.error
        if combination == chosen[2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Grid(path, device="golden", examples=1).run(chosen, done=interrupt)
    again = Grid(path, device="golden", examples=1)
    assert len(again.results) == 3
    kept = dict(again.results)
    seen = []
    again.run(chosen, done=lambda combination, result: seen.append(combination))
    assert seen == chosen
    assert {name: again.results[name] for name in kept} == kept
    assert list(path.parent.iterdir()) == [path]
    assert not Grid(path, device="golden", examples=2).results
    path.write_text("{")
    assert not Grid(path, device="golden", examples=1).results


def test_a_wrong_device_is_found_and_said(tmp_path: Path, monkeypatch):
    combination = GridCombination("mac", "int8", "int8")
    config = combination.config
    case = GridCase(2, 3, 9, 1)
    with (
        Accelerator.open("golden", config=config) as golden,
        Accelerator.open("golden", config=config) as wrong,
    ):
        right = wrong.matmul
        monkeypatch.setattr(
            wrong, "matmul", lambda *a, **k: right(*a, **k) + np.eye(2, 3, dtype=int)
        )
        with pytest.raises(MismatchError, match=r"the device has .* in row 0, output 0; 2 of 6"):
            check_case(combination, case, golden, wrong)

    def fail(*_args, **_kwargs):
        raise MismatchError("no")

    monkeypatch.setattr(grid_check, "check_case", fail)
    runner = Grid(tmp_path / "r.json", device="golden", examples=2)
    runner.run([combination])
    error = runner.results[str(combination)].error
    assert error.startswith("MismatchError: no")
    assert "case=GridCase(m=" in error
    monkeypatch.undo()
    runner.run([combination])  # what failed runs again
    assert not runner.results[str(combination)].error


def test_command(tmp_path: Path):
    app = typer.Typer()
    app.command()(grid)
    runner = CliRunner(env={"COLUMNS": "120"})
    common = ["--device", "golden", "--examples", "1", "--results", str(tmp_path / "r.json")]
    text = runner.invoke(app, ["--filter", "*.fp4.*", *common])
    assert text.exit_code == 0, text.output
    assert "golden against integer sums" in text.output
    listed = json.loads(runner.invoke(app, ["--filter", "add.fp4.*", "--json", *common]).stdout)
    count = len(VARIANTS["add"].activations)
    assert [c["weights"] for c in listed["combinations"]] == ["fp4"] * count
    values = {row["name"]: row["value"] for row in listed["results"]}
    assert values["grid.combinations"] == values["grid.passed"] == count
    wrong = runner.invoke(app, ["--device", "fpga", *common[2:]])
    assert isinstance(wrong.exception, LutraError)
