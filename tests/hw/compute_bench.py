"""Drives a bare COMPUTE engine in amaranth.sim: fill buffers, run instructions, read sums."""

from __future__ import annotations

import numpy as np
from amaranth.sim import Simulator

from lutra.hw.compute import Compute
from lutra.hw.config import Config
from lutra.hw.digits import digit_range, encode_digits
from lutra.hw.isa import Opcode, encode
from lutra.hw.table_quantiser import quantised_plane_sum, table_shift

__all__ = ["ComputeBench", "lmma_reference", "pack_elements", "random_digits"]


def pack_elements(values, width: int) -> int:
    """Integer with ``values[i] mod 2**width`` at bit ``i * width``."""
    word = 0
    for i, value in enumerate(np.asarray(values).ravel().tolist()):
        word |= (int(value) & (1 << width) - 1) << i * width
    return word


class ComputeBench:
    """A COMPUTE engine and a script of coroutine calls on it."""

    def __init__(self, config: Config, *, seed: int = 0) -> None:
        self.config = config
        self.dut = Compute(config)
        self.random = np.random.default_rng(seed)

    def run(self, script) -> None:
        """Run the coroutine function `script(ctx)` against the engine, all tokens granted."""
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)

        async def bench(ctx):
            ctx.set(self.dut.engine.tokens.wait_ready, 1)
            await script(ctx)

        sim.add_testbench(bench)
        sim.run()

    async def fill(self, ctx, write, word_bits: int, words: list[int]) -> None:
        """Write `words` to a buffer from address 0 on, as LOAD would."""
        c = self.config
        share, beats = c.words_per_row(word_bits), c.beats_per_row(word_bits)
        stride = c.memory_word_bits(word_bits)
        for row in range(-(-len(words) // share)):
            data = 0
            for i, word in enumerate(words[row * share : (row + 1) * share]):
                data |= word << i * stride
            for beat in range(beats):
                ctx.set(write.enable, 1)
                ctx.set(write.row, row)
                if beats > 1:
                    ctx.set(write.beat, beat)
                ctx.set(write.data, data >> beat * c.axi_bits & (1 << c.axi_bits) - 1)
                await ctx.tick()
        ctx.set(write.enable, 0)

    async def fill_acts(self, ctx, acts: np.ndarray) -> None:
        """`acts` is ``[word][k_block][rows]``; with exponents, word i of row m has ``i + m``."""
        c = self.config
        words = [pack_elements(word, c.act_elem_bits) for word in acts]
        if c.act_exponent_bits:
            at = c.k_block * c.rows * c.act_elem_bits
            words = [word | pack_elements(exponents_of(i, c), 8) << at
                     for i, word in enumerate(words)]  # fmt: skip
        await self.fill(ctx, self.dut.act_write, c.act_word_bits, words)

    async def fill_weights(self, ctx, digits: np.ndarray) -> None:
        """`digits` is ``[word][lanes][k_block]``."""
        c = self.config
        words = [pack_elements(word, 1) for word in encode_digits(digits, c)]
        await self.fill(ctx, self.dut.weight_write, c.weight_word_bits, words)

    async def fill_scales(self, ctx, scales: np.ndarray, zeros: np.ndarray) -> None:
        """`scales` and `zeros` are ``[word][lanes]``."""
        c = self.config
        words = []
        for scale, zero in zip(scales, zeros, strict=True):
            fields = [int(s) | (int(z) & (1 << c.zero_bits) - 1) << c.scale_bits
                      for s, z in zip(scale, zero, strict=True)]  # fmt: skip
            words.append(pack_elements(fields, c.scale_bits + c.zero_bits))
        await self.fill(ctx, self.dut.scale_write, c.scale_word_bits, words)

    async def issue(self, ctx, opcode: Opcode, **fields) -> None:
        """Hand one instruction to the engine, after a random pause."""
        port = self.dut.engine.instructions
        for _ in range(int(self.random.integers(0, 3))):
            await ctx.tick()
        ctx.set(port.payload.bits, encode(opcode, **fields))
        ctx.set(port.payload.address, 0x1000)
        ctx.set(port.valid, 1)
        for _ in range(20000):
            accepted = ctx.get(port.ready)
            await ctx.tick()
            if accepted or ctx.get(self.dut.engine.error.valid):
                break
        else:
            raise TimeoutError("the engine takes no instruction")
        ctx.set(port.valid, 0)

    async def drain(self, ctx, limit: int = 20000) -> None:
        """Wait until the engine is idle."""
        for _ in range(limit):
            if ctx.get(self.dut.engine.idle) or ctx.get(self.dut.engine.error.valid):
                return
            await ctx.tick()
        raise TimeoutError("the engine does not come to rest")

    async def read_psum(self, ctx, address: int) -> np.ndarray:
        """Partial sums ``[rows][lanes]`` at `address`."""
        c, port = self.config, self.dut.psum_read
        ctx.set(port.address, address)
        ctx.set(port.valid, 1)
        for _ in range(1000):
            accepted = ctx.get(port.ready)
            await ctx.tick()
            if accepted:
                break
        ctx.set(port.valid, 0)
        for _ in range(4):
            if ctx.get(port.data_valid):
                break
            await ctx.tick()
        assert ctx.get(port.data_valid) == 1
        word = ctx.get(port.data)
        values = np.zeros((c.lanes, c.rows), np.int64)
        for i in range(c.lanes * c.rows):
            raw = word >> i * c.psum_bits & (1 << c.psum_bits) - 1
            values.flat[i] = raw - (raw >> c.psum_bits - 1 << c.psum_bits)
        return values.T


def random_digits(config: Config, rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Digits of the element, drawn evenly."""
    low, high, step = digit_range(config)
    return rng.integers(0, (high - low) // step + 1, shape) * step + low


def exponents_of(word: int, config: Config) -> np.ndarray:
    """Exponents ``[rows]`` that `ComputeBench.fill_acts` gives a word."""
    return (word + np.arange(config.rows)) % (config.max_exponent + 1)


def lmma_reference(acts, digits, fields, planes, *, config, scales=None, zeros=None) -> dict:
    """Partial sums of one clearing LMMA by its definition: ``{address: [rows][lanes]}``."""
    shifts, negatives = planes["shifts"], planes["negatives"]
    psums: dict[int, np.ndarray] = {}
    weight = fields["weight_base"]
    for k in range(fields["k_blocks"]):
        for n in range(fields["n_blocks"]):
            words = [digits[(weight + p) % len(digits)].astype(np.int64)
                     for p in range(len(shifts))]  # fmt: skip
            weight += len(shifts)
            for r in range(fields["rows"]):
                place = fields["act_base"] + r * fields["act_stride"] + k
                x = acts[place].astype(np.int64).T
                acc = np.zeros((x.shape[0], words[0].shape[0]), np.int64)
                for p, word in enumerate(words):
                    if config.table_bits:
                        plane_sum = quantised_plane_sum(x[:, None], word, config)
                    else:
                        plane_sum = x @ word.T
                    acc = (acc << shifts[p] if p else acc) + plane_sum * (1 - 2 * negatives[p])
                if config.table_bits:
                    acc <<= table_shift(x, config)[:, None]
                sum_x = x.sum(1, keepdims=True)
                scale, c = 1, planes["coefficient"]
                if fields.get("group"):
                    scale = scales[fields["scale_base"] + n]
                    zero = zeros[fields["scale_base"] + n]
                    c = 2 * zero + 1 if planes["halve"] else zero
                value = acc + c * sum_x
                value = (value >> 1 if planes["halve"] else value) * scale
                value = value << exponents_of(place, config)[:, None]
                at = fields["psum_base"] + r * fields["psum_stride"] + n
                psums[at] = value if k == 0 else psums[at] + value
    return psums
