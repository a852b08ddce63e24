"""Bus signatures and the flat ports of a top."""

from __future__ import annotations

import re

import pytest
from amaranth.lib.wiring import In, Out

from lutra.hw.axi import AxiLite, AxiRead, AxiWrite, ports


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: AxiRead(0, data_bits=64), ValueError, "Address width must be from 1 to 64, not 0"),
        (lambda: AxiRead(32, data_bits=48), ValueError, "Data width must be one of (32, 64, "),
        (
            lambda: AxiWrite(32, data_bits=64, id_bits=33),
            ValueError,
            "Identifier width must be from 1 to 32, not 33",
        ),
        (lambda: AxiWrite("a", data_bits=64), TypeError, "Address width must be an integer, not"),
        (lambda: AxiLite(1), ValueError, "Address width must be from 2 to 64, not 1"),
        (lambda: AxiLite(True), TypeError, "Address width must be an integer, not True"),
    ],
)
def test_init_wrong(build, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        build()


def test_init_widths() -> None:
    read = AxiRead(40, data_bits=256, id_bits=3).members
    write = AxiWrite(40, data_bits=256, id_bits=3).members
    assert read["araddr"] == Out(40)
    assert read["rdata"] == In(256)
    assert read["rid"] == In(3)
    assert write["wstrb"] == Out(32)
    assert write["bready"] == Out(1)
    assert not set(read) & set(write)


def test_init_ports() -> None:
    flat = ports("s_axil", AxiLite(12).flip())
    assert flat["s_axil_awaddr"] == In(12)
    assert flat["s_axil_rdata"] == Out(32)
    assert all(name.startswith("s_axil_") for name in flat)
