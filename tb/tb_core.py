"""cocotb testbench of the top: replays golden cases at full rate and with stalls, provokes errors.

Run by `lutra.host.regression`, which puts the cases (`lutra.sim.case.Case`) into the folder
that LUTRA_TB_CASES names, and the configuration's hash into LUTRA_TB_HASH. The memory and the
control master are those of cocotbext-axi.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, First, RisingEdge
from cocotbext.axi import (
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiSlave,
    MemoryRegion,
)

from ..hw.isa import ISA_VERSION, Buffer, Engine, ErrorCode, Opcode, encode
from ..hw.registers import COUNTERS, MAGIC, Control, Register, Status
from ..sim.case import Case

__all__ = ["Bench"]

#: Bytes of memory, and a range of addresses in it that tests make fail.
_MEMORY = int(os.environ.get("LUTRA_TB_MEMORY", 1 << 20))
_HOLE = _MEMORY * 3 // 4
_LIMIT = 200_000


class _Memory(MemoryRegion):
    """Memory with a range of addresses that the bus model answers with SLVERR."""

    def __init__(self) -> None:
        super().__init__(_MEMORY)
        self.fault = range(0)

    def _check(self, address: int, size: int) -> None:
        if set(range(address, address + size)) & set(self.fault) or address + size > _MEMORY:
            raise ValueError("fault")

    async def _read(self, address: int, length: int, **options: object) -> bytes:
        self._check(address, length)
        return await super()._read(address, length, **options)

    async def _write(self, address: int, data: bytes, **options: object) -> None:
        self._check(address, len(data))
        await super()._write(address, data, **options)


class Bench:
    """The top with memory and control master."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.memory = _Memory()

    async def start(self, *, stalls: bool = False) -> None:
        """Clock and reset; with `stalls` every channel pauses at random."""
        dut = self.dut
        dut.rst.value = 1
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
        self.bus = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.clk, target=self.memory)
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk)
        if stalls:
            for half in (self.bus, self.control):
                channels = {**vars(half.write_if), **vars(half.read_if)}
                for name in ("aw_channel", "w_channel", "b_channel", "ar_channel", "r_channel"):
                    pauses = _pauses(random.Random(random.random()))
                    channels[name].set_pause_generator(pauses)
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 4)

    async def read(self, register: Register) -> int:
        return await self.control.read_dword(int(register))

    async def write(self, register: Register, value: int) -> None:
        await self.control.write_dword(int(register), value)

    async def load(self, case: Case) -> None:
        """Put a case into memory and blank what it has to write."""
        for address, data in case.writes:
            await self.memory.write(address, data.tobytes())
        for address, data in case.reads:
            await self.memory.write(address, bytes(b ^ 0xA5 for b in data.tobytes()))

    async def run(self, address: int, length: int) -> Status:
        """Run a program to its end, told by the interrupt line."""
        await self.write(Register.PROGRAM_LO, address)
        await self.write(Register.PROGRAM_HI, 0)
        await self.write(Register.PROGRAM_LENGTH, length)
        await self.write(Register.CONTROL, Control.START)
        await self.ended()
        return Status(await self.read(Register.STATUS))

    async def ended(self) -> None:
        """Wait for the interrupt; the one of the program before falls just behind START."""
        await ClockCycles(self.dut.clk, 4)
        if not int(self.dut.irq.value):
            limit = ClockCycles(self.dut.clk, _LIMIT)
            assert await First(RisingEdge(self.dut.irq), limit) is not limit, "no end in sight"

    async def check(self, case: Case) -> None:
        """Load and run a case; results and counters must be the golden ones."""
        await self.load(case)
        status = await self.run(case.program, case.length)
        code = ErrorCode(await self.read(Register.ERROR_CODE))
        assert (status, code) == (Status.DONE, ErrorCode.NONE)
        for address, golden in case.reads:
            found = np.frombuffer(await self.memory.read(address, golden.size), np.uint8)
            wrong = np.flatnonzero(found != golden)
            assert wrong.size == 0, f"{wrong.size} bytes differ, first at {address + wrong[0]:#x}"
        for name, value in case.counters.items():
            assert await self.read(COUNTERS[name]) == value, name
        assert await self.read(Register.CYCLES) > case.counters["array_busy"]

    async def reset(self) -> None:
        """RESET by register, then wait until the memory port has come to rest."""
        await self.write(Register.CONTROL, Control.RESET)
        for _ in range(1000):
            if not await self.read(Register.STATUS) & Status.BUSY:
                break
        assert await self.read(Register.STATUS) == 0
        assert await self.read(Register.ERROR_CODE) == ErrorCode.NONE
        assert not int(self.dut.irq.value)


def _pauses(source: random.Random):
    """Pause now and then, in runs: share and length change as it goes."""
    while True:
        share, stretch = source.choice([0.0, 0.1, 0.5, 0.9]), source.randrange(1, 60)
        for _ in range(stretch):
            yield source.random() < share


def _cases() -> list[Case]:
    folder = Path(os.environ["LUTRA_TB_CASES"])
    return [Case.load(path) for path in sorted(folder.glob("*.npz"))]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def identity(dut) -> None:
    """The registers say what was generated; registers that do not exist read as 0."""
    bench = Bench(dut)
    await bench.start()
    assert await bench.read(Register.MAGIC) == MAGIC
    assert await bench.read(Register.ISA_VERSION) == ISA_VERSION
    found = await bench.read(Register.CONFIG_HASH_LO)
    found |= await bench.read(Register.CONFIG_HASH_HI) << 32
    assert found == int(os.environ["LUTRA_TB_HASH"][:16], 16)
    assert await bench.control.read_dword(0xFFC) == 0
    assert await bench.read(Register.STATUS) == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stalls=[False, True])
async def cases(dut, stalls: bool) -> None:
    """Every case gives its golden bytes, one after the other on the same device."""
    bench = Bench(dut)
    await bench.start(stalls=stalls)
    for case in _cases():
        await bench.check(case)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(
    name=["opcode", "field", "buffer", "unaligned", "no_end", "read", "fetch", "write", "beyond",
          "deadlock"],
    stalls=[False, True],
)  # fmt: skip
async def errors(dut, name: str, stalls: bool) -> None:
    """Each error stops the program with its code; after RESET the device works again."""
    bench = Bench(dut)
    await bench.start(stalls=stalls)
    await bench.load(_cases()[0])
    code, address, program = _faulty_programs()[name]
    at = 0x8000
    await bench.memory.write(at, b"".join(word.to_bytes(16, "little") for word in program))
    bench.memory.fault = range(_HOLE, _HOLE + 4096)
    start = _HOLE if name == "fetch" else at
    assert await bench.run(start, len(program)) == Status.ERROR
    assert ErrorCode(await bench.read(Register.ERROR_CODE)) == code
    found = await bench.read(Register.ERROR_ADDRESS_LO)
    if os.environ.get("LUTRA_TB_ERROR_ADDRESSES") == "0":
        address = 0
    assert address is None or found == address, f"{found:#x}"
    bench.memory.fault = range(0)
    await bench.reset()
    await bench.check(_cases()[0])


def _faulty_programs() -> dict[str, tuple[ErrorCode, int | None, list[int]]]:
    """Per name: error code, error address (None: not fixed), program at 0x8000."""
    end, hole = encode(Opcode.END), _HOLE

    def load(**changes: int) -> int:
        return encode(Opcode.LOAD, **{"buffer": Buffer.ACT, "rows": 1, **changes})

    store = encode(Opcode.STORE, words=1, address=hole)
    late = load(wait=1 << Engine.COMPUTE)
    return {
        "opcode": (ErrorCode.ILLEGAL_OPCODE, 0x8010, [load(), 0, end]),
        "field": (ErrorCode.ILLEGAL_FIELD, 0x8000, [load(rows=0), end]),
        "buffer": (ErrorCode.BUFFER_RANGE, 0x8000, [load(row=16383, rows=2), end]),
        "unaligned": (ErrorCode.ADDRESS, 0x8000, [load(address=2), end]),
        "no_end": (ErrorCode.NO_END, 0x8010, [load()]),
        "read": (ErrorCode.READ_RESPONSE, hole, [load(address=hole), end]),
        "fetch": (ErrorCode.READ_RESPONSE, hole, [end]),
        "write": (ErrorCode.WRITE_RESPONSE, hole, [store, end]),
        "beyond": (ErrorCode.READ_RESPONSE, _MEMORY, [load(address=_MEMORY), end]),
        "deadlock": (ErrorCode.DEADLOCK, 0, [late, end]),
    }


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(after=[1, 40, 150])
async def reset_in_flight(dut, after: int) -> None:
    """RESET in the middle of a program stops it; the next one is not disturbed."""
    bench = Bench(dut)
    await bench.start(stalls=True)
    case = _cases()[-1]
    await bench.load(case)
    await bench.write(Register.PROGRAM_LO, case.program)
    await bench.write(Register.PROGRAM_LENGTH, case.length)
    await bench.write(Register.CONTROL, Control.START)
    await ClockCycles(dut.clk, after)
    await bench.reset()
    await bench.check(case)
    await FallingEdge(dut.clk)
