// Behaviour of the ECP5 cells that `hw.devices.ecp5` instantiates, for simulation. Written from the
// description in that file; compared with the models of Yosys in tests/hw/devices.

module CCU2C #(
  parameter [15:0] INIT0 = 16'h0000,
  parameter [15:0] INIT1 = 16'h0000,
  parameter INJECT1_0 = "YES",
  parameter INJECT1_1 = "YES"
) (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  wire z0 = INIT0[{D0, C0, B0, A0}];
  wire z1 = INIT1[{D1, C1, B1, A1}];
  // Injection cuts a half off the chain: it adds no carry and generates none.
  wire chained0 = INJECT1_0 != "YES";
  wire chained1 = INJECT1_1 != "YES";
  wire middle = z0 ? CIN : chained0 & INIT0[{2'b00, B0, A0}];
  assign S0 = z0 ^ (chained0 & CIN);
  assign S1 = z1 ^ (chained1 & middle);
  assign COUT = z1 ? middle : chained1 & INIT1[{2'b00, B1, A1}];
endmodule

module TRELLIS_DPR16X4 (
  input [3:0] DI, WAD, RAD,
  input WRE, WCK,
  output [3:0] DO
);
  reg [3:0] words [0:15];
  integer i;
  initial for (i = 0; i < 16; i = i + 1) words[i] = 4'b0000;
  always @(posedge WCK) if (WRE) words[WAD] <= DI;
  assign DO = words[RAD];
endmodule

module TRELLIS_FF #(
  // The cell's own parameters, which the netlist sets; one value of each is all that is used.
  // verilator lint_off UNUSEDPARAM
  parameter GSR = "DISABLED",
  parameter CEMUX = "1",
  parameter CLKMUX = "CLK",
  parameter LSRMUX = "LSR",
  // verilator lint_on UNUSEDPARAM
  parameter REGSET = "RESET"
) (
  input CLK, LSR, DI,
  output reg Q
);
  // As `hw.devices.ecp5` uses it: always enabled, clocked by rising edges, never set or cleared late.
  initial Q = REGSET == "SET";
  always @(posedge CLK) Q <= LSR ? REGSET == "SET" : DI;
endmodule
