"""Scratchpad: words of several beats, of one beat, and several in a beat."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lutra.hw.config import Config
from lutra.hw.scratchpad import Scratchpad

CONFIG = Config(lanes=16, tables=8, axi_bits=64)


@pytest.mark.parametrize("word_bits", [8, 24, 32, 64, 72, 200, 256])
def test_sim_words(word_bits: int) -> None:
    depth = 16
    dut = Scratchpad(CONFIG, word_bits=word_bits, depth=depth)
    rng = np.random.default_rng(word_bits)
    words = [int.from_bytes(rng.bytes(32), "little") & (1 << word_bits) - 1 for _ in range(depth)]
    share, stride = CONFIG.words_per_row(word_bits), CONFIG.memory_word_bits(word_bits)

    async def bench(ctx):
        for row in range(depth // share):
            mine = words[row * share : (row + 1) * share]
            image = sum(word << i * stride for i, word in enumerate(mine))
            for beat in range(CONFIG.beats_per_row(word_bits)):
                ctx.set(dut.write.enable, 1)
                ctx.set(dut.write.row, row)
                if len(dut.write.beat):
                    ctx.set(dut.write.beat, beat)
                ctx.set(dut.write.data, image >> 64 * beat & (1 << 64) - 1)
                await ctx.tick()
        ctx.set(dut.write.enable, 0)
        await ctx.tick()
        for address in rng.permutation(depth):
            ctx.set(dut.address, int(address))
            ctx.set(dut.enable, 1)
            await ctx.tick()
            ctx.set(dut.enable, 0)
            assert ctx.get(dut.data) == words[address]
            ctx.set(dut.address, 0)
            await ctx.tick()
            assert ctx.get(dut.data) == words[address], "a word stays until the next read"

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
