"""The C header says what the Python definitions say, in C."""

import re
import subprocess

from lutra.gen.c_header import c_header
from lutra.gen.config_names import config_hash, load_config
from lutra.hw import isa
from lutra.hw.registers import Register
from lutra.sim.toolchain import find_tool


def test_values():
    config = load_config("tiny")
    found = dict(re.findall(r"#define (LUTRA_\w+) (\S+)", c_header(config)))
    for register in Register:
        assert int(found[f"LUTRA_REGISTER_{register.name}"], 0) == register
    for opcode, layout in isa.LAYOUTS.items():
        assert int(found[f"LUTRA_OPCODE_{opcode.name}"], 0) == opcode
        for name, field in layout:
            stem = f"LUTRA_{opcode.name}_{str(name).upper()}"
            assert int(found[f"{stem}_OFFSET"], 0) == field.offset
            assert int(found[f"{stem}_WIDTH"], 0) == field.width
    assert found["LUTRA_AXI_BYTES"] == "4"
    assert found["LUTRA_CONFIG_HASH"] == f"0x{config_hash(config)[:16]}ULL"


def test_compiles_as_c_and_cpp(tmp_path):
    (tmp_path / "lutra.h").write_text(c_header(load_config("w2a8")))
    for language in ("c", "c++"):
        subprocess.run(
            [find_tool("c++"), "-x", language, "-Wall", "-Werror", "-fsyntax-only", "lutra.h"],
            cwd=tmp_path, check=True,
        )  # fmt: skip
