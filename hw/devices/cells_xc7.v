// Behaviour of the 7-series cells that `hw.devices.xc7` instantiates, for simulation. Written from
// UG474 and UG953; compared with the models of Yosys in tests/hw/devices.

module LUT6_2 #(
  parameter [63:0] INIT = 64'd0
) (
  input I0, I1, I2, I3, I4, I5,
  output O5, O6
);
  assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
  assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module CARRY4 (
  input CI, CYINIT,
  input [3:0] DI, S,
  output [3:0] CO, O
);
  // One equation a bit: simulators then see no loop from CO to itself.
  wire c0 = CI | CYINIT;
  wire c1 = S[0] ? c0 : DI[0];
  wire c2 = S[1] ? c1 : DI[1];
  wire c3 = S[2] ? c2 : DI[2];
  wire c4 = S[3] ? c3 : DI[3];
  assign CO = {c4, c3, c2, c1};
  assign O = S ^ {c3, c2, c1, c0};
endmodule

module RAM32M (
  input [4:0] ADDRA, ADDRB, ADDRC, ADDRD,
  input [1:0] DIA, DIB, DIC, DID,
  input WE, WCLK,
  output [1:0] DOA, DOB, DOC, DOD
);
  reg [1:0] a [0:31], b [0:31], c [0:31], d [0:31];
  integer i;
  initial for (i = 0; i < 32; i = i + 1) begin
    a[i] = 2'b00;
    b[i] = 2'b00;
    c[i] = 2'b00;
    d[i] = 2'b00;
  end
  always @(posedge WCLK) if (WE) begin
    a[ADDRD] <= DIA;
    b[ADDRD] <= DIB;
    c[ADDRD] <= DIC;
    d[ADDRD] <= DID;
  end
  assign DOA = a[ADDRA];
  assign DOB = b[ADDRB];
  assign DOC = c[ADDRC];
  assign DOD = d[ADDRD];
endmodule

module FDRE (
  input C, CE, R, D,
  output reg Q
);
  initial Q = 1'b0;
  always @(posedge C)
    if (R) Q <= 1'b0;
    else if (CE) Q <= D;
endmodule
