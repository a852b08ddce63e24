# amaranth: UnusedElaboratable=no
"""The serial CRC against the one of `frame`, and against itself: a message with its CRC matches."""

from __future__ import annotations

import random

import pytest
from amaranth.lib.crc import Algorithm, catalog

from lutra.boards.link.frame import CRC
from lutra.boards.link.serial_crc import SerialCrc

from ...hw.helpers import simulate


def test_init_not_reflected() -> None:
    with pytest.raises(ValueError, match="Algorithm must be reflected, not Algorithm"):
        SerialCrc(catalog.CRC32_BZIP2)


@pytest.mark.parametrize("algorithm", [CRC.algorithm, catalog.CRC16_X25], ids=["frame", "x25"])
def test_sim_messages(algorithm: Algorithm) -> None:
    dut, rng, parameters = SerialCrc(algorithm), random.Random(1), algorithm(data_width=8)

    async def put(ctx, message: bytes) -> None:
        for byte in message:
            ctx.set(dut.data, byte)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick().repeat(8 + rng.randrange(2))
            assert not ctx.get(dut.busy)

    async def bench(ctx) -> None:
        for size in (1, 2, 9, 40):
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            message = rng.randbytes(size)
            await put(ctx, message)
            crc = parameters.compute(message)
            assert ctx.get(dut.crc) == crc
            assert not ctx.get(dut.match)
            sent = crc.to_bytes(algorithm.crc_width // 8, "little")
            await put(ctx, sent)
            assert ctx.get(dut.match)
            await put(ctx, bytes(1))
            assert not ctx.get(dut.match)

    simulate(dut, bench)
