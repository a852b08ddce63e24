"""Full and half adders of a library, and the techmap that makes Yosys use them.

ABC maps logic to cells of one output only, so that an adder becomes some ten gates. Designers take
the library's full adder instead: a sixth smaller for a tree in the open 0.18 um cells. This is done
for every design alike, so that no element of a comparison is favoured.
"""

from __future__ import annotations

from itertools import permutations

from .expressions import truth_table
from .liberty import Cell, Library

__all__ = ["adder_techmaps", "find_adder"]

_FULL = (0b11101000, 0b10010110)  # majority, sum of three
_HALF = (0b1000, 0b0110)


def find_adder(library: Library, inputs: int) -> tuple[Cell, str, str] | None:
    """The smallest adder over `inputs` (2 or 3) bits: the cell, its carry and its sum pin."""
    wanted = _FULL if inputs == 3 else _HALF
    found = []
    for cell in library.cells.values():
        names = tuple(pin.name for pin in cell.inputs)
        if len(names) != inputs or len(cell.outputs) != 2 or cell.state:
            continue
        for carry, total in permutations(cell.outputs):
            tables = truth_table(carry.function, names), truth_table(total.function, names)
            if tables == wanted:
                found.append((cell, carry.name, total.name))
    return min(found, key=lambda f: f[0].area, default=None)


def adder_techmaps(library: Library) -> tuple[str, str] | None:
    """Verilog of two techmaps, None for a library without a full adder.

    The first breaks ``$alu`` and ``$fa`` into single bits (a ripple carry: the smallest adder); the
    second, to be run some times with ``opt_expr`` in between, turns bits with a constant input into
    half adders or gates and, with ``-D LAST=1``, all others into cells of the library.
    """
    full, half = find_adder(library, 3), find_adder(library, 2)
    if full is None:
        return None
    half_text = "assign X = A & B; assign Y = A ^ B;"
    if half is not None:
        half_text = _instance(half, ["A", "B"])
    return _BITS, _CONSTANTS.replace("HALF", half_text).replace("FULL", _instance(full, [*"ABC"]))


def _instance(adder: tuple[Cell, str, str], operands: list[str]) -> str:
    cell, carry, total = adder
    pins = [f".{pin.name}({net})" for pin, net in zip(cell.inputs, operands, strict=True)]
    return f"{cell.name} adder ({', '.join(pins)}, .{carry}(X), .{total}(Y));"


_BITS = r"""
(* techmap_celltype = "$alu" *)
module _80_lutra_alu (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  input CI, BI;
  (* force_downto *) output [Y_WIDTH-1:0] X, Y, CO;
  (* force_downto *) wire [Y_WIDTH-1:0] a, b0, b;
  \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_a (.A(A), .Y(a));
  \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_b (.A(B), .Y(b0));
  assign b = b0 ^ {Y_WIDTH{BI}};
  wire [Y_WIDTH:0] c;
  assign c[0] = CI;
  genvar i;
  generate
    for (i = 0; i < Y_WIDTH; i = i + 1) begin : bits
      lutra_full_adder adder (.A(a[i]), .B(b[i]), .C(c[i]), .X(c[i+1]), .Y(Y[i]));
    end
  endgenerate
  assign X = a ^ b;
  assign CO = c[Y_WIDTH:1];
endmodule

(* techmap_celltype = "$fa" *)
module _80_lutra_fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  (* force_downto *) input [WIDTH-1:0] A, B, C;
  (* force_downto *) output [WIDTH-1:0] X, Y;
  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : bits
      lutra_full_adder adder (.A(A[i]), .B(B[i]), .C(C[i]), .X(X[i]), .Y(Y[i]));
    end
  endgenerate
endmodule
"""

_CONSTANTS = r"""
(* techmap_celltype = "lutra_full_adder" *)
module _lutra_full_adder (A, B, C, X, Y);
  parameter _TECHMAP_CONSTMSK_A_ = 0, _TECHMAP_CONSTVAL_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0, _TECHMAP_CONSTVAL_B_ = 0;
  parameter _TECHMAP_CONSTMSK_C_ = 0, _TECHMAP_CONSTVAL_C_ = 0;
  input A, B, C;
  output X, Y;
  localparam constants = _TECHMAP_CONSTMSK_A_ + _TECHMAP_CONSTMSK_B_ + _TECHMAP_CONSTMSK_C_;
  generate
    if (constants > 1 || _TECHMAP_CONSTVAL_A_ || _TECHMAP_CONSTVAL_B_ || _TECHMAP_CONSTVAL_C_) begin
      assign X = A & B | C & (A | B);
      assign Y = A ^ B ^ C;
    end else if (_TECHMAP_CONSTMSK_C_) begin
      lutra_half_adder adder (.A(A), .B(B), .X(X), .Y(Y));
    end else if (_TECHMAP_CONSTMSK_B_) begin
      lutra_half_adder adder (.A(A), .B(C), .X(X), .Y(Y));
    end else if (_TECHMAP_CONSTMSK_A_) begin
      lutra_half_adder adder (.A(B), .B(C), .X(X), .Y(Y));
    end else if (`LAST) begin
      FULL
    end else begin
      wire _TECHMAP_FAIL_ = 1;
    end
  endgenerate
endmodule

(* techmap_celltype = "lutra_half_adder" *)
module _lutra_half_adder (A, B, X, Y);
  parameter _TECHMAP_CONSTMSK_A_ = 0, _TECHMAP_CONSTMSK_B_ = 0;
  input A, B;
  output X, Y;
  generate
    if (_TECHMAP_CONSTMSK_A_ || _TECHMAP_CONSTMSK_B_) begin
      assign X = A & B;
      assign Y = A ^ B;
    end else if (`LAST) begin
      HALF
    end else begin
      wire _TECHMAP_FAIL_ = 1;
    end
  endgenerate
endmodule
"""
