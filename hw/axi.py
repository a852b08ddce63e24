"""AXI4 and AXI4-Lite signatures, and how they become flat ports of the top."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

__all__ = [
    "AXI_BITS",
    "BURST_BYTES",
    "INCR",
    "NORMAL",
    "AxiLite",
    "AxiRead",
    "AxiWrite",
    "connect_ports",
    "ports",
]

#: Data widths that AXI4 allows (ARM IHI 0022, A3.4.1) and that are wide enough for one output.
AXI_BITS = (32, 64, 128, 256, 512, 1024)

#: No burst crosses a multiple of this address (ARM IHI 0022, A3.4.1).
BURST_BYTES = 4096


#: AxBURST of a burst through successive addresses.
INCR = 1

#: AxCACHE "normal, bufferable, not cacheable" (ARM IHI 0022, A4.4): what memory ports expect.
NORMAL = 0b0011


class AxiRead(wiring.Signature):
    """Read half of an AXI4 memory port (ARM IHI 0022), seen from the master.

    Left out are the signals whose default value is right for a master that uses INCR bursts of
    whole beats only: lock, QoS, region and user.

    Parameters
    ----------
    addr_bits : int
        Width of an address, 1 to 64.
    data_bits : int
        Width of one beat, one of `AXI_BITS`.
    id_bits : int
        Width of a transaction identifier, 1 to 32.

    Raises
    ------
    TypeError, ValueError
        A parameter is no integer, or outside these ranges.
    """

    def __init__(self, addr_bits: int, *, data_bits: int, id_bits: int = 1) -> None:
        _check_widths(addr_bits, data_bits, id_bits)
        super().__init__(
            {
                **_channel("ar", Out, {"id": id_bits, **_address(addr_bits)}),
                **_channel("r", In, {"id": id_bits, "data": data_bits, "resp": 2, "last": 1}),
            }
        )


class AxiWrite(wiring.Signature):
    """Write half of an AXI4 memory port, seen from the master; parameters as `AxiRead`."""

    def __init__(self, addr_bits: int, *, data_bits: int, id_bits: int = 1) -> None:
        _check_widths(addr_bits, data_bits, id_bits)
        super().__init__(
            {
                **_channel("aw", Out, {"id": id_bits, **_address(addr_bits)}),
                **_channel("w", Out, {"data": data_bits, "strb": data_bits // 8, "last": 1}),
                **_channel("b", In, {"id": id_bits, "resp": 2}),
            }
        )


class AxiLite(wiring.Signature):
    """AXI4-Lite control port of 32 data bits (ARM IHI 0022, chapter B1), seen from the master.

    Parameters
    ----------
    addr_bits : int
        Width of an address, 2 to 64.

    Raises
    ------
    TypeError, ValueError
        The width is no integer, or outside this range.
    """

    def __init__(self, addr_bits: int) -> None:
        _check("Address width", addr_bits, 2, 64)
        super().__init__(
            {
                **_channel("aw", Out, {"addr": addr_bits, "prot": 3}),
                **_channel("w", Out, {"data": 32, "strb": 4}),
                **_channel("b", In, {"resp": 2}),
                **_channel("ar", Out, {"addr": addr_bits, "prot": 3}),
                **_channel("r", In, {"data": 32, "resp": 2}),
            }
        )


def ports(prefix: str, signature: wiring.Signature) -> dict[str, Member]:
    """Members ``<prefix>_<member>``, for a top whose ports follow the bus's own naming.

    Amaranth joins the names of nested interfaces with two underscores; tools that recognise a bus
    by the names of its ports expect one.
    """
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


def connect_ports(m: Module, top: wiring.Component, prefix: str, interface: object) -> None:
    """Wire the flat ports of `top` to an `interface` of one of its children.

    `interface` has the direction of the ports: an output of the child drives an output of the top.
    """
    signature: wiring.Signature = interface.signature  # pyright: ignore[reportAttributeAccessIssue]
    for name, member in signature.members.items():
        inner, outer = getattr(interface, name), getattr(top, f"{prefix}_{name}")
        m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)


def _address(addr_bits: int) -> dict[str, int]:
    return {"addr": addr_bits, "len": 8, "size": 3, "burst": 2, "cache": 4, "prot": 3}


def _check_widths(addr_bits: int, data_bits: int, id_bits: int) -> None:
    _check("Address width", addr_bits, 1, 64)
    _check("Identifier width", id_bits, 1, 32)
    if data_bits not in AXI_BITS:
        raise ValueError(f"Data width must be one of {AXI_BITS}, not {data_bits!r}")


def _channel(name: str, flow: wiring.Flow, payload: dict[str, int]) -> dict[str, Member]:
    return {
        f"{name}valid": flow(1),
        f"{name}ready": flow.flip()(1),
        **{f"{name}{field}": flow(width) for field, width in payload.items()},
    }


def _check(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value!r}")
