// Short arithmetic as plain logic, for Yosys' techmap. A carry cell takes a whole logic cell of an
// iCE40 unless the adder's own bit fits beside it, and every chain begins at the foot of a tile: a
// counter of a few bits is smaller, and a nearly full chip easier to place, without. `CONSTANT` and
// `BOTH` are the longest sums that are mapped, with a constant and of two variables.

(* techmap_celltype = "$gt $lt $ge $le" *)
module compare_with_constant (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  parameter [A_WIDTH-1:0] _TECHMAP_CONSTMSK_A_ = 0;
  parameter [B_WIDTH-1:0] _TECHMAP_CONSTMSK_B_ = 0;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  localparam WIDTH = (A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH) + 1;
  localparam SIGNED = A_SIGNED && B_SIGNED;
  wire _TECHMAP_FAIL_ = !(&_TECHMAP_CONSTMSK_A_ || &_TECHMAP_CONSTMSK_B_);
  wire [WIDTH-1:0] a = {{(WIDTH-A_WIDTH){SIGNED ? A[A_WIDTH-1] : 1'b0}}, A};
  wire [WIDTH-1:0] b = {{(WIDTH-B_WIDTH){SIGNED ? B[B_WIDTH-1] : 1'b0}}, B};
  wire [WIDTH:0] less, more;
  assign less[0] = 0;
  assign more[0] = 0;
  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin
      wire x = a[i] ^ (SIGNED && i == WIDTH - 1);
      wire y = b[i] ^ (SIGNED && i == WIDTH - 1);
      assign less[i+1] = (~x & y) | (~(x ^ y) & less[i]);
      assign more[i+1] = (x & ~y) | (~(x ^ y) & more[i]);
    end
  endgenerate
  assign Y = _TECHMAP_CELLTYPE_ == "$gt" ? more[WIDTH] :
             _TECHMAP_CELLTYPE_ == "$lt" ? less[WIDTH] :
             _TECHMAP_CELLTYPE_ == "$ge" ? ~less[WIDTH] : ~more[WIDTH];
endmodule

(* techmap_celltype = "$add $sub" *)
module short_sum (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  parameter [A_WIDTH-1:0] _TECHMAP_CONSTMSK_A_ = 0;
  parameter [B_WIDTH-1:0] _TECHMAP_CONSTMSK_B_ = 0;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  localparam SIGNED = A_SIGNED && B_SIGNED;
  localparam SUBTRACT = _TECHMAP_CELLTYPE_ == "$sub";
  localparam LONGER = A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH;
  localparam WIDTH = (LONGER > Y_WIDTH ? LONGER : Y_WIDTH) + 1;
  wire _TECHMAP_FAIL_ =
    Y_WIDTH > (&_TECHMAP_CONSTMSK_A_ || &_TECHMAP_CONSTMSK_B_ ? `CONSTANT : `BOTH);
  wire [WIDTH-1:0] a = {{(WIDTH-A_WIDTH){SIGNED ? A[A_WIDTH-1] : 1'b0}}, A};
  wire [WIDTH-1:0] b =
    {{(WIDTH-B_WIDTH){SIGNED ? B[B_WIDTH-1] : 1'b0}}, B} ^ {WIDTH{SUBTRACT ? 1'b1 : 1'b0}};
  wire [Y_WIDTH:0] carry;
  assign carry[0] = SUBTRACT;
  genvar i;
  generate
    for (i = 0; i < Y_WIDTH; i = i + 1) begin
      assign Y[i] = a[i] ^ b[i] ^ carry[i];
      assign carry[i+1] = (a[i] & b[i]) | (carry[i] & (a[i] | b[i]));
    end
  endgenerate
endmodule
