"""What fits in place of a design that does not."""

from __future__ import annotations

import pytest

from lutra.boards.synthesis import fit
from lutra.boards.synthesis.errors import Shortage
from lutra.boards.synthesis.fit import nearest_fit, smaller_configs
from lutra.boards.synthesis.flow import Flow
from lutra.gen.config_names import load_config, preset_names

from .fake_tools import FakeTools, small_design


@pytest.mark.parametrize("name", ["w2a8", "w1p58a8", "lut_tensor_core", "tiny", "w2a8_mac"])
def test_smaller_configs(name: str) -> None:
    config = load_config(name)
    sizes = [c.rows * c.lanes * c.tables for c in smaller_configs(config)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(size < config.rows * config.lanes * config.tables for size in sizes)
    for smaller in smaller_configs(config):
        assert (smaller.pe, smaller.act_bits, smaller.lookup_group) == (
            config.pe, config.act_bits, config.lookup_group
        )  # fmt: skip
        assert smaller.axi_bits <= config.axi_bits
        assert smaller.name not in preset_names()


def fitting(fakes: FakeTools, monkeypatch: pytest.MonkeyPatch, luts_of) -> str:
    """Text for a w2a8 of 30,000 LUT sites; others are as large as `luts_of` says."""

    def prepare(board, config, *, clock_hz):
        fakes.cells = {"LUT4": luts_of(config)}
        return small_design("tiny", config.name)

    monkeypatch.setattr(fit, "prepare_design", prepare)
    fakes.cells = {"LUT4": 20000}
    shortages = [Shortage("TRELLIS_COMB", 30000, 24288)]
    return nearest_fit(Flow(), small_design("w2a8"), shortages)


def test_the_largest_that_fits(fakes: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    """8,000 LUTs beside the array and 94 a lookup; packed, one and a half times as much."""
    text = fitting(fakes, monkeypatch, lambda c: 8000 + 94 * c.lanes * c.tables)
    assert text == (
        "The nearest smaller array that fits (synthesised, not placed: about 21,024 of 24,288 "
        "TRELLIS_COMB) has rows = 1, lanes = 16, tables = 4, axi_bits = 256: 128 MACs a cycle "
        "instead of 256."
    )


def test_nothing_fits(fakes: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    text = fitting(fakes, monkeypatch, lambda _: 19000)
    assert text.startswith("Not even the smallest array of these widths would fit")


def test_a_shortage_of_another_kind(fakes: FakeTools) -> None:
    """Pins and the like do not get fewer with the array."""
    assert nearest_fit(Flow(), small_design(), [Shortage("TRELLIS_IO", 300, 197)]) == ""
