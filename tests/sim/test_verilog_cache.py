from __future__ import annotations

from pathlib import Path

import pytest

from lutra import gen, hw
from lutra.sim.verilog_cache import cached_verilog


def test_elaborated_once_for_equal_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUTRA_CACHE", str(tmp_path))
    made = []

    def elaborate() -> str:
        made.append(len(made))
        return f"module m{len(made)};"

    first = cached_verilog(["a"], [hw, gen], elaborate)
    assert first == "module m1;"
    assert cached_verilog(["a"], [hw, gen], elaborate) == first
    assert cached_verilog(["b"], [hw, gen], elaborate) == "module m2;"
    assert cached_verilog(["a"], [hw], elaborate) == "module m3;"  # of other sources
    assert made == [0, 1, 2]
    assert len(list((tmp_path / "verilog").iterdir())) == 3
