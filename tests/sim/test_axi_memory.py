"""The harness notices a core that breaks the rules of the bus, shown on one that does so."""

import pytest

from lutra.hw.registers import Register
from lutra.sim import build_model
from lutra.sim.errors import BusProtocolError
from lutra.sim.verilator_device import VerilatorDevice

#: Answers control accesses, always says BUSY, and breaks the rule that PROGRAM_LO names.
CULPRIT = """
module lutra(
  input clk, input rst, output irq,
  input m_axi_arready, output m_axi_arvalid, output m_axi_arid, output [31:0] m_axi_araddr,
  output [7:0] m_axi_arlen, output [2:0] m_axi_arsize, output [1:0] m_axi_arburst,
  input m_axi_rvalid, output m_axi_rready, input m_axi_rid, input [31:0] m_axi_rdata,
  input [1:0] m_axi_rresp, input m_axi_rlast,
  input m_axi_awready, output m_axi_awvalid, output m_axi_awid, output [31:0] m_axi_awaddr,
  output [7:0] m_axi_awlen, output [2:0] m_axi_awsize, output [1:0] m_axi_awburst,
  input m_axi_wready, output m_axi_wvalid, output [31:0] m_axi_wdata, output [3:0] m_axi_wstrb,
  output m_axi_wlast, input m_axi_bvalid, output m_axi_bready, input m_axi_bid,
  input [1:0] m_axi_bresp,
  input s_axil_awvalid, output s_axil_awready, input [11:0] s_axil_awaddr,
  input s_axil_wvalid, output s_axil_wready, input [31:0] s_axil_wdata, input [3:0] s_axil_wstrb,
  output reg s_axil_bvalid, input s_axil_bready, output [1:0] s_axil_bresp,
  input s_axil_arvalid, output s_axil_arready, input [11:0] s_axil_araddr,
  output reg s_axil_rvalid, input s_axil_rready, output [31:0] s_axil_rdata,
  output [1:0] s_axil_rresp
);
  reg [3:0] mode = 0;
  reg [7:0] age = 0;
  assign irq = 0;
  assign s_axil_awready = 1, s_axil_wready = 1, s_axil_arready = 1;
  assign s_axil_bresp = 0, s_axil_rresp = 0, s_axil_rdata = 1;
  always @(posedge clk) begin
    s_axil_bvalid <= s_axil_wvalid & s_axil_awvalid;
    s_axil_rvalid <= s_axil_arvalid & ~s_axil_rvalid;
    if (s_axil_wvalid) begin mode <= s_axil_wdata[3:0]; age <= 0; end else age <= age + 1;
  end
  wire now = age == 50 || (mode == 9 && age >= 50 && age < 60);
  assign m_axi_arvalid = now && mode >= 1 && mode <= 5;
  assign m_axi_arid = 0, m_axi_awid = 0;
  assign m_axi_araddr = mode == 1 ? 32'hffc : mode == 2 ? 32'h2 : 32'h0;
  assign m_axi_arlen = 1;
  assign m_axi_arsize = mode == 3 ? 1 : 2;
  assign m_axi_arburst = mode == 4 ? 0 : 1;
  assign m_axi_rready = mode == 5 ? ~m_axi_rvalid : 1;
  assign m_axi_awvalid = now && mode == 6;
  assign m_axi_awaddr = 0, m_axi_awlen = 1, m_axi_awsize = 2, m_axi_awburst = 1;
  assign m_axi_wvalid = (mode == 6 && age >= 50) || (mode == 8 && age >= 50) || (mode == 9 && now);
  assign m_axi_wdata = mode == 8 ? age : 0;
  assign m_axi_wstrb = 15, m_axi_wlast = 1;
  assign m_axi_bready = 1;
endmodule
"""


@pytest.fixture(scope="module")
def culprit():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_model, "verilog_of", lambda _: CULPRIT)
        with VerilatorDevice("tiny", memory_bytes=4096) as device:
            yield device


@pytest.mark.parametrize(
    ("mode", "rule"),
    [
        (1, "a burst must not cross a 4 KiB boundary"),
        (2, "AxADDR must be aligned to a beat"),
        (3, "AxSIZE must be the width of the bus"),
        (4, "AxBURST must be INCR"),
        (5, "output must not follow an input within a cycle: m_axi_rready"),
        (6, "WLAST must mark the last beat"),
        (8, "W must stay until it is taken"),
        (9, "W must stay until it is taken"),
    ],
)
def test_broken_rules(culprit: VerilatorDevice, mode: int, rule: str):
    culprit.write_register(Register.PROGRAM_LO, mode)
    with pytest.raises(BusProtocolError, match=rf"run: {rule}( \(cycle \d+\))?$"):
        culprit.wait(2000)
    culprit.write_register(Register.PROGRAM_LO, 0)
    assert not culprit.wait(100)
