# amaranth: UnusedElaboratable=no
"""A whole core in amaranth.sim: memory behind one port, a small program behind the other."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from lutra.hw.config import Config
from lutra.hw.core import Core
from lutra.hw.digits import encode_digits
from lutra.hw.isa import Buffer, ErrorCode, Opcode, encode
from lutra.hw.registers import COUNTERS, Control, Register, Status
from lutra.hw.requantise import requantise

from .axi_memory import AxiMemory
from .helpers import CONFIGS, lite_read, lite_write, simulate

__all__ = ["HASH", "CoreBench", "Product"]

HASH = 0x0123_4567_89AB_CDEF

_PROGRAM, _ACTS, _WEIGHTS, _OUTPUT, _REQUANTISED = 0x1F00, 0x4000, 0x6000, 0xA000, 0xC000


def _pack(values: np.ndarray, width: int) -> int:
    """Integer with ``values[i] mod 2**width`` at bit ``i * width``."""
    return sum((int(v) % (1 << width)) << i * width for i, v in enumerate(np.ravel(values)))


class Product:
    """A small product as a program, its memory image, and what it leaves in memory.

    Two K blocks by two output blocks with two planes, in two LMMAs of which the second adds to the
    first; stored as it is and requantised.
    """

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = c = config
        rng = np.random.default_rng(seed)
        low, high = -(1 << (c.act_bits - 1)), 1 << (c.act_bits - 1)
        self.acts = rng.integers(low, high, (4, c.k_block, c.rows))
        self.digits = rng.choice([-1, 1], (8, c.lanes, c.k_block))
        self.multiplier, self.shift = 21, 7
        fields = {
            "act_base": 0, "act_stride": 0, "weight_base": 0, "psum_base": 1, "psum_stride": 0,
            "k_blocks": 1, "n_blocks": 2, "rows": 1, "clear": 1,
        }  # fmt: skip
        self.instructions = [
            self.load(Buffer.ACT, 4, _ACTS, c.act_word_bits),
            self.load(Buffer.WEIGHT, 8, _WEIGHTS, c.weight_word_bits, signal=2),
            encode(
                Opcode.PLANES, count=2, halve=1, coefficient=3, act_planes=1,
                planes=[{"shift": s} for s in [0, 1, *[0] * 14]],
            ),
            encode(Opcode.LMMA, wait=1, **fields),
            encode(
                Opcode.LMMA, signal=4,
                **fields | {"act_base": 1, "weight_base": 4, "clear": 0},
            ),
            encode(Opcode.STORE, wait=2, psum_base=1, words=2, address=_OUTPUT),
            encode(
                Opcode.STORE, psum_base=1, words=2, address=_REQUANTISED, requantise=1,
                multiplier=self.multiplier, shift=self.shift, signal=1,
            ),
            encode(Opcode.LOAD, buffer=Buffer.ACT, rows=1, address=_ACTS, wait=4),
            encode(Opcode.END),
        ]  # fmt: skip
        psums = np.zeros((2, c.lanes, c.rows), np.int64)
        for k in range(2):
            x = self.acts[k]
            for n in range(2):
                high, low = (self.digits[4 * k + 2 * n + p].astype(np.int64) @ x for p in range(2))
                psums[n] += (2 * high + low + 3 * x.sum(0)) >> 1
        psums = psums.reshape(2, -1)
        self.wanted = {
            _OUTPUT: self.image(psums, c.out_bits, c.psum_word_bits),
            _REQUANTISED: self.image(
                requantise(
                    psums, multiplier=self.multiplier, shift=self.shift, act_bits=c.act_bits
                ),
                c.requant_bits,
                c.requant_word_bits,
            ),
        }

    def load(self, buffer: Buffer, words: int, address: int, word_bits: int, **fields: int) -> int:
        rows = -(-words // self.config.words_per_row(word_bits))
        return encode(Opcode.LOAD, buffer=buffer, rows=rows, address=address, **fields)

    def image(self, words: np.ndarray, width: int, word_bits: int) -> bytes:
        stride = self.config.memory_word_bits(word_bits) // 8
        return b"".join(_pack(w, width).to_bytes(stride, "little") for w in words)

    def beats(self, word_bits: int, words: int) -> int:
        c = self.config
        return -(-words // c.words_per_row(word_bits)) * c.beats_per_row(word_bits)

    @property
    def bytes_written(self) -> int:
        """Whole beats of both STOREs."""
        c = self.config
        beats = self.beats(c.psum_word_bits, 2) + self.beats(c.requant_word_bits, 2)
        return beats * c.axi_bits // 8

    @property
    def bytes_read(self) -> int:
        """Whole beats of all LOADs and of the program."""
        c = self.config
        beats = self.beats(c.act_word_bits, 4) + self.beats(c.weight_word_bits, 8)
        beats += c.beats_per_row(c.act_word_bits)
        return (beats - (-len(self.instructions) * 128 // c.axi_bits)) * c.axi_bits // 8

    def place(self, memory: AxiMemory) -> None:
        """Put the operands into memory and clear the outputs."""
        c = self.config
        planes = encode_digits(self.digits, c)
        acts = self.image(self.acts, c.act_elem_bits, c.act_word_bits)
        weights = self.image(planes, 1, c.weight_word_bits)
        for address, data in ((_ACTS, acts), (_WEIGHTS, weights)):
            memory.data[address : address + len(data)] = data
        for address, data in self.wanted.items():
            memory.data[address : address + len(data)] = bytes(len(data))

    def check(self, memory: AxiMemory) -> None:
        """Assert that the outputs are in memory."""
        for address, data in self.wanted.items():
            assert memory.data[address : address + len(data)] == data


class CoreBench:
    """A core with its memory; methods are what a host does."""

    def __init__(self, name: str, **options: Any) -> None:
        self.config = CONFIGS[name]
        self.dut = Core(self.config, config_hash=HASH)
        self.memory = AxiMemory(AxiMemory.of_top(self.dut), **options)
        self.lite: SimpleNamespace = AxiMemory.of_top(self.dut, "s_axil")
        self.product = Product(self.config)
        self.random = random.Random(1)
        self.base = _PROGRAM - _PROGRAM % (self.config.axi_bits // 8)

    async def write(self, ctx: Any, register: Register, value: int) -> None:
        await lite_write(ctx, self.lite, register, value)

    async def read(self, ctx: Any, register: Register) -> int:
        return await lite_read(ctx, self.lite, register)

    async def start(self, ctx: Any, program: list[int], *, length: int | None = None) -> None:
        """Write a program to memory and ring the doorbell."""
        for i, word in enumerate(program):
            at = self.base + 16 * i - self.memory.base
            self.memory.data[at : at + 16] = word.to_bytes(16, "little")
        await self.write(ctx, Register.PROGRAM_LO, self.base & 0xFFFFFFFF)
        await self.write(ctx, Register.PROGRAM_HI, self.base >> 32)
        await self.write(ctx, Register.PROGRAM_LENGTH, len(program) if length is None else length)
        await self.write(ctx, Register.CONTROL, Control.START)

    async def finish(self, ctx: Any, cycles: int = 20_000) -> tuple[Status, ErrorCode, int]:
        """Wait for the interrupt; status, error and its address."""
        for _ in range(cycles):
            if ctx.get(self.dut.irq):
                break
            await ctx.tick()
        status = Status(await self.read(ctx, Register.STATUS))
        error = ErrorCode(await self.read(ctx, Register.ERROR_CODE))
        low = await self.read(ctx, Register.ERROR_ADDRESS_LO)
        return status, error, low | await self.read(ctx, Register.ERROR_ADDRESS_HI) << 32

    async def reset(self, ctx: Any, cycles: int = 20_000) -> None:
        await self.write(ctx, Register.CONTROL, Control.RESET)
        for _ in range(cycles):
            if not await self.read(ctx, Register.STATUS):
                return
        raise TimeoutError("the device does not come to rest")

    async def multiply(self, ctx: Any) -> dict[str, int]:
        """Run the product, check it, and return the counters."""
        self.product.place(self.memory)
        await self.start(ctx, self.product.instructions)
        assert await self.finish(ctx) == (Status.DONE, ErrorCode.NONE, 0)
        self.product.check(self.memory)
        return {name: await self.read(ctx, register) for name, register in COUNTERS.items()}

    def run(self, testbench: Any, **options: Any) -> None:
        background = [self.memory.read, self.memory.write]
        simulate(self.dut, testbench, background=background, **options)
