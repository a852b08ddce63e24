"""A device that executes programs with NumPy: exact, fast, and without a clock."""

from __future__ import annotations

import numpy as np

from ..gen.config_names import config_hash
from ..hw.config import Config
from ..hw.isa import ISA_VERSION, ErrorCode
from ..hw.program import INSTRUCTION_BYTES
from ..hw.registers import COUNTERS, MAGIC, Control, Register, Status, built_counters
from .closing import Closing
from .cycles import MemoryTiming, predict
from .engines import Engines, ProgramError

__all__ = ["FunctionalDevice"]

_COUNTER_NAMES = {register: name for name, register in COUNTERS.items()}
_WRITABLE = (Register.PROGRAM_LO, Register.PROGRAM_HI, Register.PROGRAM_LENGTH)


class FunctionalDevice(Closing):
    """The accelerator's registers and memory, with programs executed instruction by instruction.

    It is a `lutra.host.transport.Transport`, so that the driver cannot tell it from hardware
    but for its speed. Results and error codes are those of the hardware; counters come from the
    cycle model, when they are asked for.

    Parameters
    ----------
    config : Config
    memory_bytes : int
        Size of the memory; pages that nobody writes take no space.
    latency, bytes_per_cycle : int
        The memory that the counters are predicted for, as of `VerilatorDevice`.

    Raises
    ------
    ValueError
        `memory_bytes` is not positive.
    """

    def __init__(
        self,
        config: Config,
        *,
        memory_bytes: int = 1 << 28,
        latency: int = 32,
        bytes_per_cycle: int = 0,
    ) -> None:
        if memory_bytes <= 0:
            raise ValueError(f"memory_bytes must be positive, not {memory_bytes!r}")
        self._config = config
        self._timing = MemoryTiming(latency=latency, bytes_per_cycle=bytes_per_cycle)
        self._memory = np.zeros(min(memory_bytes, 1 << config.addr_bits), np.uint8)
        self._engines = Engines(config, self._memory)
        self._program = np.zeros((0, 2), np.uint64)
        self._counters: dict[str, int] | None = dict.fromkeys(COUNTERS, 0)
        first = int(config_hash(config)[:16], 16)
        self._registers = dict.fromkeys(Register, 0)
        self._registers |= {
            Register.MAGIC: MAGIC,
            Register.ISA_VERSION: ISA_VERSION,
            Register.CONFIG_HASH_LO: first & 0xFFFFFFFF,
            Register.CONFIG_HASH_HI: first >> 32,
        }

    @property
    def memory_size(self) -> int:
        """Bytes of memory."""
        return len(self._memory)

    def read_register(self, offset: int) -> int:
        """Value of a register; 0 where there is none."""
        if offset not in Register._value2member_map_:
            return 0
        register = Register(offset)
        if register in _COUNTER_NAMES:
            return self._counter(_COUNTER_NAMES[register]) & 0xFFFFFFFF
        return self._registers[register]

    def write_register(self, offset: int, value: int) -> None:
        """Write a register; START runs the program to its end."""
        if offset == Register.CONTROL:
            if value & Control.RESET:
                self._reset()
            if value & Control.START:
                self._run()
        elif offset in _WRITABLE:
            self._registers[Register(offset)] = value & 0xFFFFFFFF

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """`size` bytes from `address` on."""
        self._check(address, size)
        return self._memory[address : address + size].copy()

    def write_memory(self, address: int, data: np.ndarray | bytes) -> None:
        """Write bytes from `address` on."""
        raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else _bytes_of(data)
        self._check(address, len(raw))
        self._memory[address : address + len(raw)] = raw

    def wait(self, limit: int | None = None) -> bool:
        """A program has ended as soon as it was started."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""

    def _check(self, address: int, size: int) -> None:
        if address < 0 or size < 0 or address + size > len(self._memory):
            raise ValueError(
                f"memory access of {size} bytes at {address:#x} must be within "
                f"{len(self._memory):#x} bytes"
            )

    def _reset(self) -> None:
        self._engines.reset()
        self._registers[Register.STATUS] = 0
        self._registers[Register.ERROR_CODE] = 0
        self._registers[Register.ERROR_ADDRESS_LO] = 0
        self._registers[Register.ERROR_ADDRESS_HI] = 0

    def _run(self) -> None:
        registers = self._registers
        self._reset()
        base = registers[Register.PROGRAM_LO] | registers[Register.PROGRAM_HI] << 32
        length = registers[Register.PROGRAM_LENGTH]
        self._counters = None
        try:
            self._program = self._fetch(base, length)
            self._engines.run(self._program, base, length)
        except ProgramError as error:
            registers[Register.STATUS] = int(Status.ERROR)
            registers[Register.ERROR_CODE] = int(error.code)
            if self._config.error_addresses:
                registers[Register.ERROR_ADDRESS_LO] = error.address & 0xFFFFFFFF
                registers[Register.ERROR_ADDRESS_HI] = error.address >> 32
            self._counters = dict.fromkeys(COUNTERS, 0)
        else:
            registers[Register.STATUS] = int(Status.DONE)

    def _fetch(self, base: int, length: int) -> np.ndarray:
        beat = self._config.axi_bits // 8
        if base % beat or base + length * INSTRUCTION_BYTES > 1 << self._config.addr_bits:
            raise ProgramError(ErrorCode.ADDRESS, base)
        fitting = max(0, len(self._memory) - base) // INSTRUCTION_BYTES
        raw = self._memory[base : base + min(length, fitting) * INSTRUCTION_BYTES]
        return raw.view("<u8").reshape(-1, 2).astype(np.uint64)

    def _counter(self, name: str) -> int:
        if name not in built_counters(self._config.counters):
            return 0
        if self._counters is None:
            self._counters = predict(self._config, self._program, self._timing)
        return self._counters[name]


def _bytes_of(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
