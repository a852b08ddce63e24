"""A compiled model of any small module: one row of bits in, one row of bits out, every cycle."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from unittest import mock

import numpy as np
from amaranth.back import verilog
from amaranth.hdl import Cat, ClockDomain, Module, Signal, Value

from lutra.gen.elaborate import TOP
from lutra.sim.compile_cache import Build, cached_build

__all__ = ["run_vectors"]

_HARNESS = r"""
#include "Vlutra.h"
#include <cstring>

extern "C" void vectors(const unsigned *in, unsigned *out, size_t words_in, size_t words_out,
                        size_t cycles) {
    VerilatedContext context;
    Vlutra top{&context};
    for (size_t cycle = 0; cycle < cycles; cycle++) {
        std::memcpy(&top.stimulus[0], in + cycle * words_in, 4 * words_in);
        top.clk = 0;
        top.eval();
        std::memcpy(out + cycle * words_out, &top.response[0], 4 * words_out);
        top.clk = 1;
        top.eval();
    }
}
"""


def run_vectors(
    m: Module,
    inputs: Mapping[str, Sequence[Value]],
    outputs: Sequence[Value],
    vectors: Mapping[str, np.ndarray],
) -> list[np.ndarray]:
    """What `outputs` are in every cycle, before its clock edge.

    Parameters
    ----------
    m : Module
        The design; its clock domain is `sync`.
    inputs : mapping of str to sequence of Value
        Inputs by name.
    outputs : sequence of Value
        At most 32 bits each.
    vectors : mapping of str to ndarray of unsigned integers, shape ``[cycles, len(inputs[name])]``

    Returns
    -------
    list of ndarray of uint32, shape ``[cycles]``
        One for each of `outputs`.
    """
    flat = [value for name in inputs for value in inputs[name]]
    columns = np.concatenate([vectors[name] for name in inputs], axis=1)
    # Each value takes whole words, and there are at least three: then Verilator makes an array.
    stimulus = Signal(32 * max(3, len(flat)))
    response = Signal(32 * max(3, len(outputs)))
    m.domains.sync = domain = ClockDomain(reset_less=True)
    for i, value in enumerate(flat):
        m.d.comb += value.eq(stimulus[32 * i : 32 * i + len(value)])
    m.d.comb += response.eq(
        Cat(v | 0 if len(v) == 32 else Cat(v, Signal(32 - len(v))) for v in outputs)
    )
    with mock.patch.dict(os.environ, {"AMARANTH_USE_YOSYS": "builtin"}):
        text = verilog.convert(
            m, name=TOP, ports=[domain.clk, stimulus, response],
            emit_src=False, strip_internal_attrs=True,
        )  # fmt: skip
    build = Build(
        target="vectors.so",
        sources={"lutra.v": text, "vectors.cpp": _HARNESS},
        units=["vectors.cpp"],
        verilator_flags=["--prefix", "Vlutra"],
        compiler_flags=["-O0", "-fPIC", "-DVL_TIME_CONTEXT"],
        linker_flags=["-shared"],
    )
    library = ctypes.CDLL(str(cached_build(build, what="a test's model", progress=lambda _: None)))
    words_in, words_out, cycles = len(stimulus) // 32, len(response) // 32, len(columns)
    given = np.zeros((cycles, words_in), np.uint32)
    given[:, : len(flat)] = columns
    taken = np.zeros((cycles, words_out), np.uint32)
    library.vectors.restype = None
    library.vectors(
        given.ctypes.data_as(ctypes.c_void_p), taken.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_size_t(words_in), ctypes.c_size_t(words_out), ctypes.c_size_t(cycles),
    )  # fmt: skip
    return [taken[:, i] for i in range(len(outputs))]
