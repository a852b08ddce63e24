"""From an Amaranth harness to what the solvers read: SMT-LIB bit vectors, or AIGER."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .harness import Harness
from .tools import run_yosys

__all__ = ["write_aiger", "write_smt2"]

#: From RTLIL to one transition relation. Registers and memories lose their initial values, see
#: `Harness`; memories become registers, as z3 is slow with arrays.
_FLATTEN = """
read_rtlil harness.il
hierarchy -top top
proc
flatten
chformal -lower
opt -full
memory_nordff
memory_map
formalff -clk2ff
setattr -unset init w:*
opt -full
dffunmap
opt_clean -purge
check -assert
design -save all
"""

#: Some claims alone, without what they do not depend on.
_SELECT = """
design -load all
delete t:$assert {claims} %d
opt_clean -purge
"""

_SMT2 = "write_smt2 -wires {name}.smt2\n"

# Registers without an initial value begin with a free one (`-zinit` makes that an input).
_AIGER = """
setundef -undriven -anyseq
simplemap
techmap
opt -full
dffunmap
simplemap
aigmap
opt_clean
write_aiger -zinit -no-startoffset {name}.aig
"""


def write_smt2(
    harness: Harness, groups: Sequence[Sequence[str]], folder: Path, limit: float
) -> None:
    """Write ``0.smt2``, ``1.smt2``, ... to `folder`: the claims of each group."""
    _write(harness, groups, folder, limit, _SMT2)


def write_aiger(
    harness: Harness, groups: Sequence[Sequence[str]], folder: Path, limit: float
) -> None:
    """Write ``0.aig``, ``1.aig``, ... to `folder`: the claims of each group."""
    _write(harness, groups, folder, limit, _AIGER)


def _write(harness, groups, folder: Path, limit: float, writer: str) -> None:
    (folder / "harness.il").write_text(harness.rtlil(), encoding="utf-8")
    script = _FLATTEN
    for i, group in enumerate(groups):
        claims = " ".join(f"c:*claim_{name}.*" for name in group)
        script += _SELECT.format(claims=claims + " %u" * (len(group) - 1))
        script += writer.format(name=i)
    run_yosys(script, folder, limit)
