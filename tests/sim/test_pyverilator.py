"""Signal-level access through pyverilator."""

import importlib
import importlib.util
import sys

import pytest

from lutra.hw.registers import MAGIC, Register
from lutra.sim.pyverilator import PyVerilatorMissingError, open_pyverilator


@pytest.mark.skipif(
    importlib.util.find_spec("pyverilator") is None, reason="the extra is not installed"
)
def test_a_register_is_read_signal_by_signal(tmp_path):
    dut = open_pyverilator("tiny_ecp5")  # with the models of its device's cells
    assert dut.io.irq == 0
    dut.io.s_axil_araddr = int(Register.MAGIC)
    dut.io.s_axil_arvalid = 1
    dut.io.s_axil_rready = 1
    dut.start_vcd_trace(str(tmp_path / "dump.vcd"))
    for _ in range(10):
        dut.clock.tick()
        if dut.io.s_axil_rvalid:
            break
    dut.stop_vcd_trace()
    assert dut.io.s_axil_rdata == MAGIC
    assert dut.io.s_axil_rvalid == 1
    assert "s_axil_rdata" in (tmp_path / "dump.vcd").read_text()


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyverilator", None)
    with pytest.raises(PyVerilatorMissingError, match=r"pip install 'lutra\[pyverilator\]'"):
        open_pyverilator("tiny")
