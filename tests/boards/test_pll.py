"""Dividers of clock generators: the frequency is right, and every limit is kept."""

import pytest

from lutra.boards.pll import ClockError, pll_settings


@pytest.mark.parametrize(
    ("oscillator", "wanted"),
    [(25e6, f * 1e6) for f in (5, 10, 25, 33.3, 40, 50, 62.5, 80, 100, 130, 312.5)]
    + [(48e6, f * 1e6) for f in (12, 36, 60, 80, 96)],
)
def test_ecp5(oscillator: float, wanted: float):
    s = pll_settings("ecp5", oscillator, wanted)
    assert s.frequency == pytest.approx(oscillator * s.multiply / s.divide)
    assert s.frequency == pytest.approx(wanted, rel=0.005)
    assert 400e6 <= s.frequency * s.output <= 800e6
    assert oscillator / s.divide >= 3.125e6
    assert max(s.divide, s.multiply, s.output) <= 128


@pytest.mark.parametrize("wanted", [27e6, 40.5e6, 54e6, 81e6, 108e6])
def test_gowin(wanted: float):
    s = pll_settings("gowin", 27e6, wanted)
    assert s.frequency == pytest.approx(27e6 * s.multiply / s.divide)
    assert 400e6 <= s.frequency * s.output <= 1000e6
    assert s.output in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@pytest.mark.parametrize("wanted", [25e6, 50e6, 66.6e6, 100e6, 150e6])
def test_xc7(wanted: float):
    s = pll_settings("xc7", 100e6, wanted)
    assert s.frequency == pytest.approx(100e6 * s.multiply / s.divide / s.output)
    assert s.frequency == pytest.approx(wanted, rel=0.005)
    assert 800e6 <= 100e6 * s.multiply / s.divide <= 1600e6


def test_what_cannot_be_made():
    with pytest.raises(ClockError, match=r"ecp5 makes of 25 MHz \(near 3.125, .*\), not 2 MHz"):
        pll_settings("ecp5", 25e6, 2e6)
    with pytest.raises(ClockError, match="must be the oscillator's 12 MHz on ice40 boards, not 24"):
        pll_settings("ice40", 12e6, 24e6)
