"""The cocotb regression, started for every preset."""

from pathlib import Path

import pytest

from lutra.gen.config_names import load_config, preset_names
from lutra.host.regression import record_cases, run_regression
from lutra.sim.case import Case
from lutra.sim.errors import RegressionError

#: Presets but for those that fill a device, whose tiny versions stand for them.
SMALL = [name for name in preset_names() if load_config(name).plane_macs_per_cycle <= 1024]


@pytest.mark.parametrize("name", SMALL)
def test_regression(name: str, tmp_path: Path):
    assert run_regression(load_config(name), tmp_path) >= 26


def test_wrong_golden_bytes_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The testbench would notice: one flipped bit in one case fails the regression."""

    def record_and_spoil(config, folder, *, seed):
        paths = record_cases(config, folder, seed=seed)
        case = Case.load(paths[1])
        case.reads[0][1][3] ^= 1
        case.save(paths[1])
        return paths

    monkeypatch.setattr("lutra.host.regression.record_cases", record_and_spoil)
    with pytest.raises(RegressionError, match=r"2 of \d+ tests failed: \['cases/stalls=False'"):
        run_regression(load_config("tiny"), tmp_path)


def test_case_file_round_trip(tmp_path: Path):
    for path in record_cases(load_config("tiny"), tmp_path):
        case = Case.load(path)
        assert case.length > 0
        assert case.counters["array_busy"] > 0
        assert case.reads
