"""The CRC of frames, a bit a cycle: an eighth of the logic of a byte a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.crc import Algorithm
from amaranth.lib.wiring import Component, In, Out

__all__ = ["SerialCrc"]


class SerialCrc(Component):
    """CRC over bytes that come at least 9 cycles apart, as from a serial line.

    The register of a reflected CRC shifts right, ``r = (r >> 1) ^ (polynomial if r[0] ^ bit)``,
    lowest bit of each byte first; `crc` is the register with the algorithm's last inversion.
    `amaranth.lib.crc` computes the same a byte a cycle, with 3 to 4 LUTs a bit.

    Latency: `crc` and `match` include a byte 9 cycles after its `valid`.

    Parameters
    ----------
    algorithm : amaranth.lib.crc.Algorithm
        With reflected input and output, such as CRC-32 of ISO 3309.

    Attributes
    ----------
    start : In(1)
        Strobe: begin anew, with the next byte.
    data : In(8)
    valid : In(1)
        Strobe with `data`; not while `busy`, nor with `start`.
    busy : Out(1)
    crc : Out
    match : Out(1)
        The last bytes were the CRC of those before them.

    Raises
    ------
    ValueError
        The algorithm is not reflected.
    """

    def __init__(self, algorithm: Algorithm) -> None:
        if not (algorithm.reflect_input and algorithm.reflect_output):
            raise ValueError(f"Algorithm must be reflected, not {algorithm!r}")
        self._algorithm = algorithm
        super().__init__(
            {
                "start": In(1),
                "data": In(8),
                "valid": In(1),
                "busy": Out(1),
                "crc": Out(algorithm.crc_width),
                "match": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, width = self._algorithm, self._algorithm.crc_width
        polynomial = int(f"{a.polynomial:0{width}b}"[::-1], 2)
        first = int(f"{a.initial_crc:0{width}b}"[::-1], 2)
        register, bits = Signal(width, init=first), Signal(8)
        left = Signal(range(9))
        shifted = Cat(register[1:], 0)
        m.d.comb += [
            self.busy.eq(left != 0),
            self.crc.eq(register ^ a.xor_output),
            self.match.eq(register == _residue(a)),
        ]
        with m.If(self.start):
            m.d.sync += register.eq(first)
        with m.Elif(self.busy):
            m.d.sync += [
                register.eq(shifted ^ Mux(register[0] ^ bits[0], polynomial, 0)),
                bits.eq(bits >> 1),
                left.eq(left - 1),
            ]
        with m.If(self.valid):
            m.d.sync += [bits.eq(self.data), left.eq(8)]
        return m


def _residue(algorithm: Algorithm) -> int:
    """What the register holds after any message and its CRC."""
    width = algorithm.crc_width
    polynomial = int(f"{algorithm.polynomial:0{width}b}"[::-1], 2)
    register = 0
    # After a message, register and CRC differ by the inversion alone; it is what is left over.
    left = algorithm.xor_output
    for _ in range(width):
        low = (register ^ left) & 1
        register = (register >> 1) ^ (polynomial if low else 0)
        left >>= 1
    return register
