"""A liberty file of a few made-up cells, and a LEF file that contradicts it."""

from __future__ import annotations

_HEAD = """library(small) {
  time_unit : "1ns";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1,pf);
  nom_voltage : 2.0;
  lu_table_template(delay) {
    variable_1 : total_output_net_capacitance;
    variable_2 : input_net_transition;
    index_1 ("0.0, 1.0");
    index_2 ("0.0, 2.0");
  }
"""

#: Name, area, and functions by output pin.
_LOGIC = [
    ("INV", 2.0, {"Y": "(!A)"}),
    ("BUF", 3.0, {"Y": "A"}),
    ("NAND2", 4.0, {"Y": "(!(A B))"}),
    ("NOR2", 4.0, {"Y": "(A+B)'"}),
    ("AOI22", 7.0, {"Y": "(!((A B)+(C D)))"}),
    ("XOR2", 9.0, {"Y": "(A^B)"}),
    ("HA", 12.0, {"C": "(A B)", "S": "(A^B)"}),
    ("FA", 20.0, {"CO": "(((A B)+(B CI))+(CI A))", "S": "((A^B)^CI)"}),
]


def small_liberty() -> str:
    """Every arc: delay 0.1 ns + 1 ns a pF + half the input's slope; slope 0.2 ns a pF."""
    cells = [_logic(name, area, outputs) for name, area, outputs in _LOGIC]
    return _HEAD + "".join(cells) + _FLIP_FLOP.replace("TABLES", _tables()) + "}\n"


def small_lef() -> str:
    """Only the inverter, three units large."""
    return "MACRO INV\n  CLASS CORE ;\n  SIZE 1.5 BY 2.0 ;\nEND INV\n"


def _tables() -> str:
    text = ""
    for edge in ("rise", "fall"):
        text += f'cell_{edge}(delay) {{ values ("0.1, 1.1", "1.1, 2.1"); }}\n'
        text += f'{edge}_transition(delay) {{ values ("0.0, 0.0", "0.2, 0.2"); }}\n'
    axes = 'index_1 ("0.0, 1.0"); index_2 ("0.0, 2.0"); '
    return text.replace("{ values", "{ " + axes + "values")


def _logic(name: str, area: float, outputs: dict[str, str]) -> str:
    inputs = sorted({c for f in outputs.values() for c in f.replace("CI", "Z") if c.isalpha()})
    inputs = ["CI" if pin == "Z" else pin for pin in inputs]
    text = f"cell ({name}) {{\n  area : {area};\n  cell_leakage_power : 0.5;\n"
    for pin in inputs:
        text += f"  pin({pin}) {{ direction : input; capacitance : 0.01; }}\n"
    for pin, function in outputs.items():
        text += f'  pin({pin}) {{ direction : output; function : "{function}";\n'
        sense = "positive_unate" if name in ("BUF",) else "non_unate"
        for source in inputs:
            text += f'  timing() {{ related_pin : "{source}"; timing_sense : {sense};\n'
            text += _tables() + "  }\n"
        text += "  }\n"
    return text + "}\n"


_FLIP_FLOP = """cell (DFF) {
  area : 16.0;
  cell_leakage_power : 1.0;
  ff (IQ,IQN) { next_state : "D"; clocked_on : "CK"; }
  pin(CK) { direction : input; capacitance : 0.02; clock : true; }
  pin(D) { direction : input; capacitance : 0.01;
    timing() { related_pin : "CK"; timing_type : setup_rising;
      rise_constraint(setup) { index_1 ("0.0, 1.0"); index_2 ("0.0, 1.0");
        values ("0.3, 0.3", "0.3, 0.3"); }
      fall_constraint(setup) { index_1 ("0.0, 1.0"); index_2 ("0.0, 1.0");
        values ("0.3, 0.3", "0.3, 0.3"); }
    }
  }
  pin(Q) { direction : output; function : "IQ";
    timing() { related_pin : "CK"; timing_sense : non_unate; timing_type : rising_edge;
TABLES    }
  }
}
"""
